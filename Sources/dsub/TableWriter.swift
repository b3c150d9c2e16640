internal import Tooling
internal import Wire

/// Aligned columns for people: time, topic, key, payload; cut to the terminal's width, never wrapped.
///
///      10:00:00.250  plant/m1/temperature  k1  21.5
///
/// Columns only widen, up to a share of the width, so lines that are already out stay aligned with most that follow.
struct TableWriter {
    private let width: Int
    private let colours: Bool
    private var topicWidth = 8
    private var keyWidth = 0

    init(width: Int, colours: Bool) {
        self.width = max(width, 20)
        self.colours = colours
    }

    mutating func append(_ record: Printable, to output: inout ByteBuffer) {
        let topic = Array(record.topic.unicodeScalars)
        let key = Array(record.key.text.unicodeScalars)
        topicWidth = max(topicWidth, min(topic.count, width * 2 / 5))
        keyWidth = max(keyWidth, min(key.count, width / 5))
        style("\u{1B}[2m", &output)
        TimeText.appendTimeOfDay(record.orderedTime, to: &output)
        style("\u{1B}[0m", &output)
        output.append("  ")
        style("\u{1B}[36m", &output)
        cell(topic, topicWidth, pads: true, &output)
        style("\u{1B}[0m", &output)
        output.append("  ")
        var used = 12 + 2 + topicWidth + 2
        if keyWidth > 0 {
            cell(key, keyWidth, pads: true, &output)
            output.append("  ")
            used += keyWidth + 2
        }
        // No more of a long payload is decoded than can be shown: four bytes a character at most.
        let left = max(width - used, 1)
        let shown = record.payload.count > left * 4 + 4 ? record.payload[0..<left * 4 + 4] : record.payload
        cell(Array(shown.text.unicodeScalars), left, pads: false, &output)
        output.append(UInt8(ascii: "\n"))
    }
    private func style(_ code: StaticString, _ output: inout ByteBuffer) { if colours { output.append(code) } }

    private func cell(_ text: [Unicode.Scalar], _ width: Int, pads: Bool, _ output: inout ByteBuffer) {
        let fits = text.count <= width
        for scalar in fits ? text[...] : text.prefix(max(width - 1, 0)) {
            // Control characters would move the cursor; they show as a dot.
            output.append(text: scalar.value < 32 || (127...159).contains(scalar.value) ? "·" : String(Character(scalar)))
        }
        if !fits { output.append("…") }
        guard pads, text.count < width else { return }
        for _ in text.count..<width { output.append(UInt8(ascii: " ")) }
    }
}
