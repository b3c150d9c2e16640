internal import CFuzzer
internal import Glibc
internal import Hello
internal import Inputs
internal import Targets
internal import Wire

/// `fuzz TARGET [libFuzzer's arguments]`, `fuzz list`, or `fuzz seeds FOLDER`.
@main enum Fuzz {
    static let targets = WireTargets.all + StateTargets.all + InputTargets.all + HelloTargets.all
    /// Set once before libFuzzer runs, on the one thread there is.
    nonisolated(unsafe) static var run: (ByteView) -> Void = { _ in }

    static func main() {
        let words = CommandLine.arguments
        if words.count == 2, words[1] == "list" {
            for target in targets { print(target.name) }
            return
        }
        if words.count == 3, words[1] == "seeds" { return Seeds.write(into: words[2]) }
        // libFuzzer merges in a child that it starts with its own arguments only: the child takes the target from here.
        let inherited = unsafe getenv("SQUALL_FUZZ_TARGET").map { unsafe String(cString: $0) }
        let name = inherited ?? (words.count > 1 ? words[1] : "")
        guard let target = targets.first(where: { $0.name == name }) else {
            print("fuzz: name a target: \(targets.map(\.name).joined(separator: ", "))")
            exit(2)
        }
        unsafe run = target.run
        unsafe setenv("SQUALL_FUZZ_TARGET", name, 1)
        exit(unsafe drive([words[0]] + words[(inherited == nil ? 2 : 1)...]))
    }

    /// libFuzzer's own loop over the bytes it makes; the arguments live as long as the process.
    @unsafe private static func drive(_ words: [String]) -> Int32 {
        var count = Int32(words.count)
        let list = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: words.count + 1)
        for (index, word) in words.enumerated() { unsafe list[index] = strdup(word) }
        unsafe list[words.count] = nil
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe list
        return unsafe LLVMFuzzerRunDriver(&count, &arguments) { bytes, size in
            unsafe Fuzz.run(ByteView(UnsafeRawBufferPointer(start: bytes, count: size)))
            return 0
        }
    }
}
