internal import Wire

/// What the search moves as a whole: topics of one level and one set of needs (a class), or several light classes (a bundle).
///
/// `load` and what is made of it are costs: thousandths of a byte a second, times a weight. In a group of m members an item costs
/// `load * m - wanted`: what goes to all members less what its topics' own nodes need.
struct FoldItem: Equatable {
    /// Union of the needs; never empty.
    var needs: UInt64
    var level: Level
    /// Times the weight of an unwanted byte.
    var load: Int
    /// Sum over its topics of load × needs.
    var wanted: Int
    /// Cost of sending it by unicast; nil: it must have a group.
    var unicast: Int?

    /// By level, then needs: an order in which no two classes are equal.
    static func precedes(_ a: FoldItem, _ b: FoldItem) -> Bool {
        a.level == b.level ? a.needs < b.needs : a.level < b.level
    }

    mutating func join(_ other: FoldItem) {
        needs |= other.needs
        load += other.load
        wanted += other.wanted
        if let mine = unicast, let more = other.unicast { unicast = mine + more } else { unicast = nil }
    }
}

/// The classes of some topics, in an order that does not depend on the topics'.
struct FoldClasses {
    private(set) var items: [FoldItem] = []
    /// The class of each topic; -1: nobody needs it.
    private(set) var ofTopic: [Int32] = []

    private struct Key: Hashable {
        var needs: UInt64
        var level: Level
        var hint: Int32
    }

    /// `hints`: topics of different hints (where they are now) are kept apart, as if of different classes.
    init(_ demands: [TopicDemand], hints: [Int32]? = nil, _ options: FoldOptions) throws(FoldError) {
        let most = options.mostLoad
        var total = 0
        var found: [Key: Int32] = [:]
        found.reserveCapacity(min(demands.count, 1 << 16))
        var keys: [Key] = []
        ofTopic.reserveCapacity(demands.count)
        for (index, demand) in demands.enumerated() {
            let needs = demand.needs
            guard !needs.isEmpty else {
                ofTopic.append(-1)
                continue
            }
            guard let load = demand.load(options), load <= most - total else { throw .tooMuchLoad }
            total += load
            let key = Key(needs: needs.bits, level: demand.level, hint: hints?[index] ?? 0)
            let item = demand.item(load, options)
            if let known = found[key] {
                items[Int(known)].join(item)
                ofTopic.append(known)
            } else {
                found[key] = Int32(items.count)
                ofTopic.append(Int32(items.count))
                items.append(item)
                keys.append(key)
            }
        }
        sort(keys)
    }

    private mutating func sort(_ keys: [Key]) {
        let order = items.indices.sorted {
            items[$0].needs == items[$1].needs && items[$0].level == items[$1].level
                ? keys[$0].hint < keys[$1].hint : FoldItem.precedes(items[$0], items[$1])
        }
        var position = [Int32](repeating: 0, count: items.count)
        for (place, index) in order.enumerated() { position[index] = Int32(place) }
        items = order.map { items[$0] }
        for index in ofTopic.indices where ofTopic[index] >= 0 { ofTopic[index] = position[Int(ofTopic[index])] }
    }
}

extension TopicDemand {
    /// Thousandths of a byte a second to each node that gets it; nil: more than an Int holds.
    func load(_ options: FoldOptions) -> Int? {
        let (headers, overflow) = records.thousandths.multipliedReportingOverflow(by: options.recordBytes)
        let (sum, more) = bytes.thousandths.addingReportingOverflow(headers)
        return overflow || more ? nil : sum
    }

    func item(_ load: Int, _ options: FoldOptions) -> FoldItem {
        let weighed = load * options.unwantedWeight
        let isFree = options.unicast.map { level <= $0 } ?? false
        return FoldItem(
            needs: needs.bits, level: level, load: weighed, wanted: weighed * needs.count,
            unicast: isFree ? load * options.copyWeight * (needs.count - 1) : nil)
    }
}
