import Foundation

/// The command line, as scripts/faults passes it on.
struct Options {
    enum Verb {
        case mixed([Kind], minutes: Double)
        case latency(rounds: Int)
        case planted
        case join(mebibytes: Int)
        case calm(minutes: Double)
    }
    struct Fault: Error { let text: String }

    var verb = Verb.mixed(Kind.all, minutes: 10)
    var seed = UInt64.random(in: 1...999_999)
    /// The programs under test; where to work; what failures leave behind; where the latency table goes.
    var bin = ""
    var work = ""
    var evidence = ""
    var write: String?
    private var isAlone = false

    func scenes(_ kind: Kind) -> Int { isAlone ? kind.alone : kind.scenes }

    static func parse(_ words: [String]) -> Result<Options, Fault> {
        var options = Options()
        var plain: [String] = []
        var rest = words[...]
        while let word = rest.popFirst() {
            guard word.hasPrefix("--") else {
                plain.append(word)
                continue
            }
            guard let value = rest.popFirst() else { return .failure(Fault(text: "\(word) needs a value")) }
            switch word {
            case "--bin": options.bin = value
            case "--work": options.work = value
            case "--evidence": options.evidence = value
            case "--write": options.write = value
            case "--seed":
                guard let seed = UInt64(value) else { return .failure(Fault(text: "--seed \(value): a number is expected")) }
                options.seed = seed
            default: return .failure(Fault(text: "unknown flag \(word)"))
            }
        }
        if let fault = options.take(plain) { return .failure(fault) }
        return .success(options)
    }

    private mutating func take(_ plain: [String]) -> Fault? {
        let word = plain.first ?? "10"
        let number = plain.count > 1 ? Double(plain[1]) : nil
        if plain.count > 2 || plain.count > 1 && (number ?? 0) <= 0 { return Fault(text: "\(plain.dropFirst().joined(separator: " ")): one number above 0 is expected") }
        if let minutes = Double(word), minutes > 0 {
            verb = .mixed(Kind.all, minutes: minutes)
        } else if word == "quick" {
            // The last readings take the rest of two minutes.
            verb = .mixed(Kind.all, minutes: number ?? 1.6)
        } else if word == "latency" {
            verb = .latency(rounds: Int(number ?? 100))
        } else if word == "planted" {
            verb = .planted
        } else if word == "calm" {
            verb = .calm(minutes: number ?? 10)
        } else if word == "join" {
            verb = .join(mebibytes: Int(number ?? 2048))
        } else if let kind = Kind.all.first(where: { $0.name == word }) {
            verb = .mixed([kind], minutes: number ?? 5)
            isAlone = true
        } else {
            return Fault(text: "\(word): expected minutes, quick, latency, join, calm, planted or one of \(Kind.all.map(\.name).joined(separator: ", "))")
        }
        return nil
    }
}
