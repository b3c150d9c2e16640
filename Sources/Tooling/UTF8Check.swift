package import Wire

extension ByteView {
    /// Length of the well-formed UTF-8 sequence at `offset`, 1…4; 0 where there is none (Unicode 15, table 3-7).
    package func utf8Length(at offset: Int) -> Int {
        let lead = u8(offset)
        let left = count - offset
        switch lead {
        case 0..<0x80: return 1
        case 0xC2..<0xE0: return left >= 2 && follows(offset + 1) ? 2 : 0
        case 0xE0..<0xF0:
            guard left >= 3, follows(offset + 1), follows(offset + 2) else { return 0 }
            let second = u8(offset + 1)
            // Neither overlong forms nor surrogates.
            return (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ? 0 : 3
        case 0xF0..<0xF5:
            guard left >= 4, follows(offset + 1), follows(offset + 2), follows(offset + 3) else { return 0 }
            let second = u8(offset + 1)
            return (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F) ? 0 : 4
        default: return 0
        }
    }
    private func follows(_ offset: Int) -> Bool { u8(offset) & 0xC0 == 0x80 }

    /// Where UTF-8 is first broken, or nil where all of it is well formed.
    package var firstInvalidUTF8: Int? {
        var at = 0
        while at < count {
            // Eight plain characters at a time.
            if count - at >= 8, u64(at) & 0x8080_8080_8080_8080 == 0 {
                at += 8
                continue
            }
            let length = utf8Length(at: at)
            if length == 0 { return at }
            at += length
        }
        return nil
    }
}
