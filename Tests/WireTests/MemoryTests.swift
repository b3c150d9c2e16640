import Testing
import Wire

@Suite struct MemoryTests {
    /// Both ways of writing, at all places within a line of the processor's caches, write what they are given and nothing beside it.
    @Test func whatIsWrittenLiesWhereItIsWrittenAndNowhereElse() {
        var numbers = SeededNumbers(seed: 7)
        let bytes = numbers.bytes(1_000)
        for length in Array(0...200) + [255, 256, 257, 900] {
            let place = Int(numbers.next() % 64)
            let from = Int(numbers.next() % 64)
            for isPastCaches in [false, true] {
                let memory = OwnedBytes([UInt8](repeating: 0xA5, count: 1_000))
                bytes.withView { bytes in
                    let part = bytes[from..<from + length]
                    if isPastCaches { memory.store.writePastCaches(part, at: place) } else { memory.store.write(part, at: place) }
                }
                let expected = [UInt8](repeating: 0xA5, count: place) + bytes[from..<from + length] + [UInt8](repeating: 0xA5, count: 1_000 - place - length)
                #expect(memory.view.array == expected, "\(length) bytes from \(from) at \(place), past the caches: \(isPastCaches)")
            }
        }
    }
}
