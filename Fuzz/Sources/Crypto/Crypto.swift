/// Stands in for swift-crypto, so that a fuzzer that only wants to get past a comparison need not build it. Not a mac.
package enum SHA256 {}
package struct SymmetricKey {
    package let bytes: [UInt8]
    package init(data: [UInt8]) { bytes = data }
}
package enum HMAC<Hash> {
    package static func authenticationCode(for bytes: [UInt8], using key: SymmetricKey) -> [UInt8] {
        var code = [UInt8](repeating: 0x5A, count: 32)
        for (index, byte) in (key.bytes + bytes).enumerated() { code[index & 31] = code[index & 31] &* 31 ^ byte }
        return code
    }
}
