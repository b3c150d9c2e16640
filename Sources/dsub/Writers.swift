internal import Tooling
internal import Wire

/// `{"topic":…,"key":…,"payload":…,"offset":…,"time":…,"ordered":…,"node":…,"headers":{…},"removed":true}` and a line end.
///
/// Payload, key and header values are JSON strings where they are UTF-8 (JSON within a payload is a string too); a payload or
/// key that is not UTF-8 stands in base64 under `payload_base64`, `key_base64`. Key and headers are left out
/// where empty, `removed` where the topic has a value.
enum JSONWriter {
    static func append(_ record: Printable, to output: inout ByteBuffer) {
        output.append("{\"topic\":")
        JSONText.append(text: record.topic, to: &output)
        if !record.key.isEmpty { appendBytes(record.key, ",\"key\":", ",\"key_base64\":\"", to: &output) }
        appendBytes(record.payload, ",\"payload\":", ",\"payload_base64\":\"", to: &output)
        output.append(",\"offset\":")
        output.append(number: record.offset)
        output.append(",\"time\":\"")
        TimeText.append(record.time, to: &output)
        output.append("\",\"ordered\":\"")
        TimeText.append(record.orderedTime, to: &output)
        output.append("\",\"node\":")
        output.append(number: record.node)
        if !record.headers.isEmpty { appendHeaders(record, to: &output) }
        if record.isRemoved { output.append(",\"removed\":true") }
        output.append("}\n")
    }
    private static func appendBytes(
        _ bytes: ByteView, _ name: StaticString, _ base64Name: StaticString, to output: inout ByteBuffer
    ) {
        if bytes.firstInvalidUTF8 == nil {
            output.append(name)
            JSONText.append(bytes, to: &output)
        } else {
            output.append(base64Name)
            appendBase64(bytes, to: &output)
            output.append(UInt8(ascii: "\""))
        }
    }
    private static func appendHeaders(_ record: Printable, to output: inout ByteBuffer) {
        var parts: [(name: String, value: String)] = []
        // Malformed UTF-8 in a header is repaired: headers are text by intent.
        record.eachHeader { parts.append(($0.text, $1.text)) }
        output.append(",\"headers\":{")
        for (index, part) in parts.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            JSONText.append(text: part.name, to: &output)
            output.append(UInt8(ascii: ":"))
            JSONText.append(text: part.value, to: &output)
        }
        output.append(UInt8(ascii: "}"))
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    /// RFC 4648 with padding.
    static func appendBase64(_ bytes: ByteView, to output: inout ByteBuffer) {
        var at = 0
        while at < bytes.count {
            let left = bytes.count - at
            let word = UInt32(bytes.u8(at)) << 16 | (left > 1 ? UInt32(bytes.u8(at + 1)) << 8 : 0) | (left > 2 ? UInt32(bytes.u8(at + 2)) : 0)
            output.append(alphabet[Int(word >> 18)])
            output.append(alphabet[Int(word >> 12 & 63)])
            output.append(left > 1 ? alphabet[Int(word >> 6 & 63)] : UInt8(ascii: "="))
            output.append(left > 2 ? alphabet[Int(word & 63)] : UInt8(ascii: "="))
            at += 3
        }
    }
}

/// `topic,key,offset,time,payload`, quoted where RFC 4180 asks for it.
enum CSVWriter {
    static let header: StaticString = "topic,key,offset,time,payload\n"

    static func append(_ record: Printable, to output: inout ByteBuffer) {
        Array(record.topic.utf8).withView { appendField($0, to: &output) }
        output.append(UInt8(ascii: ","))
        appendField(record.key, to: &output)
        output.append(UInt8(ascii: ","))
        output.append(number: record.offset)
        output.append(UInt8(ascii: ","))
        TimeText.append(record.time, to: &output)
        output.append(UInt8(ascii: ","))
        appendField(record.payload, to: &output)
        output.append(UInt8(ascii: "\n"))
    }
    private static func appendField(_ text: ByteView, to output: inout ByteBuffer) {
        var needsQuotes = false
        for index in 0..<text.count {
            switch text.u8(index) {
            case UInt8(ascii: ","), UInt8(ascii: "\""), 10, 13: needsQuotes = true
            default: break
            }
        }
        guard needsQuotes else { return output.append(text) }
        output.append(UInt8(ascii: "\""))
        for index in 0..<text.count {
            if text.u8(index) == UInt8(ascii: "\"") { output.append(UInt8(ascii: "\"")) }
            output.append(text.u8(index))
        }
        output.append(UInt8(ascii: "\""))
    }
}

/// The payload as hexadecimal digits.
enum HexWriter {
    private static let digits = Array("0123456789abcdef".utf8)
    static func append(_ bytes: ByteView, to output: inout ByteBuffer) {
        for index in 0..<bytes.count {
            output.append(digits[Int(bytes.u8(index) >> 4)])
            output.append(digits[Int(bytes.u8(index) & 15)])
        }
    }
}
