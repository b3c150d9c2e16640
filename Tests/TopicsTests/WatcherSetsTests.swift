import Testing
import Topics
import Wire

@Suite struct WatcherSetsTests {
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func topicsKeepTheWatchersThatAPlainListKeeps(_ seed: UInt64) {
        var random = SeededNumbers(seed: seed)
        var sets = WatcherSets()
        var model: [Set<WatcherID>] = []
        for step in 0..<2_000 {
            let who = WatcherID(UInt32.random(in: 0..<8, using: &random))
            switch Int.random(in: 0..<6, using: &random) {
            case 0:
                let watchers = (0..<8).map { WatcherID($0) }.filter { _ in Bool.random(using: &random) }
                sets.append(watchers)
                model.append(Set(watchers))
            case 1...4:
                let topics = model.indices.filter { !model[$0].contains(who) && Bool.random(using: &random) }
                sets.add(who, to: topics.map { TopicID(UInt32($0)) })
                for topic in topics { model[topic].insert(who) }
            default:
                sets.remove(who)
                for topic in model.indices { model[topic].remove(who) }
            }
            guard step % 10 == 0 else { continue }
            sets.checkInvariants()
            #expect(sets.count.index == model.count)
            for (index, watchers) in model.enumerated() {
                let set = sets.set(of: TopicID(UInt32(index)))
                #expect(sets.watchers(inSet: set) == watchers.sorted())
                for other in 0..<8 as Range<UInt32> { #expect(sets.contains(WatcherID(other), inSet: set) == watchers.contains(WatcherID(other))) }
            }
            #expect(sets.setCount == Set(model.filter { !$0.isEmpty }).count)
        }
        #expect(sets.set(of: TopicID(1 << 20)) == 0)
    }

    @Test func topicsOfTheSameWatchersShareOneSet() {
        var sets = WatcherSets()
        let all = (0..<10_000).map { TopicID($0) }
        for _ in all { sets.append([]) }
        #expect(!sets.isWatched)
        for watcher in 0..<50 as Range<UInt32> { sets.add(WatcherID(watcher), to: all) }
        #expect(sets.setCount == 1)
        #expect(sets.footprint < 100_000)
        for watcher in 0..<50 as Range<UInt32> { sets.remove(WatcherID(watcher)) }
        #expect(sets.setCount == 0 && !sets.isWatched)
    }
}
