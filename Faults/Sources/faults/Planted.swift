import Foundation

/// Trust in the checkers: what is wrong on purpose must be found.
struct Planted {
    private let options: Options
    private let tools: Tools

    init(_ options: Options, _ tools: Tools) { (self.options, self.tools) = (options, tools) }

    func run() -> Int32 {
        var (passed, failed) = (0, 0)
        func expect(_ name: String, _ isFound: Bool) {
            print("\(isFound ? "found" : "MISSED"): \(name)")
            if isFound { passed += 1 } else { failed += 1 }
        }
        expect("a record that is missing", Self.history([1, 2, 4, 5]).topics[0].missing == [3])
        expect("a record that came twice", Self.history([1, 2, 2, 3]).duplicated == 1)
        expect("records in another order", Self.history([1, 3, 2, 4]).reordered == 1)
        expect("a payload with another byte", Self.history([1, 2], lastLetter: "b").garbled == 2)
        expect("the same records under other offsets", Self.history([1, 2]) != Self.history([1, 2], firstOffset: 1))
        let lying = lyingDisks()
        expect("disks that lie about syncs, under power cuts (\(lying))", lying != "nothing noticed")
        print("\(passed) passed, \(failed) failed")
        return failed == 0 ? 0 : 1
    }

    private static func history(_ numbers: [Int], firstOffset: Int = 0, lastLetter: String = "a") -> History {
        var history = History()
        for (index, number) in numbers.enumerated() {
            let text = "\(number)".padding(toLength: Lines.length(number) - 1, withPad: "a", startingAt: 0) + lastLetter
            history.take(Array("\(index + firstOffset) t/0 1 1 \(text)".utf8)[...])
        }
        return history
    }

    private func lyingDisks() -> String {
        let board = Board(seconds: 60)
        let kind = Kind(name: "planted", title: "", scenes: 1, alone: 1, rate: 200, linger: 5, cycles: 20) { stage, _ throws(Trouble) in
            try PowerCuts(stage, nodes: 1, disksLie: true)
        }
        let done = DispatchGroup()
        for index in 1...2 {
            done.enter()
            let (tools, options) = (tools, options)
            Thread.detachNewThread {
                Scene(kind, index, tools, work: options.work, evidence: options.work + "/planted", seed: options.seed &+ UInt64(index), board).run()
                board.interrupt()
                done.leave()
            }
        }
        done.wait()
        let row = board.row("planted")
        if let why = row.impossible { return "not possible here: \(why)" }
        return row.failures == 0 ? "nothing noticed" : board.failures[0].prefix { $0 != ";" }.description
    }
}
