/// What happens next, by virtual time; equal times in the order of their entry. A binary heap.
struct EventQueue {
    enum Event {
        /// The node's loop goes round once.
        case turn(host: Int, life: Int)
        /// The node's disk finishes the jobs that it has taken.
        case disk(host: Int, life: Int)
        case boot(host: Int)
        /// The head of a link's queue arrives at `end`.
        case arrive(link: Int, end: Int)
        case linkDown(link: Int, end: Int, isCut: Bool)
        /// `host` reaches (or does not reach) `peer`.
        case connect(host: Int, life: Int, peer: Int)
        /// Silence on a link has lasted too long, unless it is over by now.
        case silence(link: Int, end: Int)
        case clientArrive(link: Int, toNode: Bool)
        case clientDown(link: Int, atNode: Bool)
        case client(Int)
        case heal(partition: Int)
        case fault
        /// One more fault, on the heels of a change of view.
        case strike(near: Int)
        /// The first leader of a duel has begun its view.
        case fall(host: Int, life: Int)
        /// All go down, and this host's disk is lost.
        case loss(host: Int)
        /// The host's disk has room again, and is as fast as ever.
        case relief(host: Int)
    }
    private struct Item {
        let time: UInt64
        let order: UInt64
        let event: Event
        static func < (a: Item, b: Item) -> Bool { a.time == b.time ? a.order < b.order : a.time < b.time }
    }
    private var heap: [Item] = []
    private var order: UInt64 = 0

    var isEmpty: Bool { heap.isEmpty }

    mutating func add(_ event: Event, at time: UInt64) {
        order += 1
        heap.append(Item(time: time, order: order, event: event))
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func next() -> (time: UInt64, event: Event)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            var parent = 0
            while true {
                var least = 2 * parent + 1
                guard least < heap.count else { break }
                if least + 1 < heap.count, heap[least + 1] < heap[least] { least += 1 }
                guard heap[least] < heap[parent] else { break }
                heap.swapAt(least, parent)
                parent = least
            }
        }
        return (first.time, first.event)
    }
}
