import Testing

@testable import Broker

@Suite struct SessionTableTests {
    /// Numbers as links have them: few places, each used again and again by another life.
    @Test func itHoldsWhatADictionaryHolds() {
        var dice = Dice(7)
        var table = SessionTable()
        var known: [SessionID: Int] = [:]
        for step in 0..<200_000 {
            let id = SessionID(UInt32(1 + dice.below(5)) << 16 | UInt32(dice.below(300)))
            switch dice.below(5) {
            case 0, 1:
                table.insert(Session(id: id))
                table[id]?.space = step
                known[id] = step
            case 2:
                table[id]?.space += 1
                known[id]? += 1
            case 3:
                table.remove(id)
                known[id] = nil
            default:
                guard table[id]?.space == known[id], table[id].map({ $0.id == id }) ?? true else {
                    Issue.record("\(id) has \(String(describing: table[id]?.space)), not \(String(describing: known[id]))")
                    return
                }
            }
        }
        #expect(table.count == known.count && table.count > 100)
        #expect(Dictionary(uniqueKeysWithValues: table.values.map { ($0.id, $0.space) }) == known)
    }
}
