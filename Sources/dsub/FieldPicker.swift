internal import Tooling
internal import Wire

/// Takes one field out of JSON payloads: `--field a.b`.
struct FieldPicker: ~Copyable {
    private var scanner: JSONScanner
    private var unescaped = ByteBuffer(capacity: 256)
    /// Payloads without the field, or that are not JSON.
    private(set) var missing: UInt64 = 0

    init(_ path: String) { scanner = JSONScanner(paths: [path]) }

    /// The field's text, strings without quotes and escapes; nil where it is not there. Valid until the next call.
    mutating func pick(_ payload: ByteView) -> ByteView? {
        do throws(JSONScanner.Fault) {
            try scanner.scan(payload)
        } catch {
            missing += 1
            return nil
        }
        guard let place = scanner.found[0] else {
            missing += 1
            return nil
        }
        let raw = payload[place.range]
        guard place.kind == .string, raw.firstIndex(of: UInt8(ascii: "\\")) != nil else { return raw }
        unescaped.removeAll()
        JSONText.appendUnescaped(raw, to: &unescaped)
        return unescaped.view
    }
}
