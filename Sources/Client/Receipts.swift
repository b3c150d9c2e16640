internal import Wire

/// What a member of a consumer group has been handed and what it has done with, kept through failovers.
///
///      by partition:  confirmed ≤ received;   between them: in the program's hands, in `queue`, in the order of receipt
struct Receipts {
    private struct Receipt {
        let partition: UInt8
        /// The generation in which the partition was the member's.
        let since: UInt32
        /// The subscription that it came by.
        let round: UInt32
        let offset: UInt64
    }
    let name: String
    let client: String
    let member: ConsumerID
    let start: ConsumerStart
    let interest: ConsumerInterest
    private var epoch: UInt32 = 0
    private var generation: UInt32 = 0
    /// No partition is on its way to this member.
    private(set) var isSettled = false
    private var partitions = PartitionSet()
    private var since = [UInt32](repeating: 0, count: Partition.count)
    private var received = [UInt64](repeating: 0, count: Partition.count)
    private var confirmed = [UInt64](repeating: 0, count: Partition.count)
    private var told = [UInt64](repeating: 0, count: Partition.count)
    private var queue: [Receipt] = []
    private var head = 0
    private var round: UInt32 = 0
    /// Of this round: records that are done with.
    private var done: UInt64 = 0
    /// There is something to tell the broker.
    private(set) var isDirty = false

    init(name: String, client: String, member: ConsumerID, start: ConsumerStart, interest: ConsumerInterest) {
        self.name = name
        self.client = client
        self.member = member
        self.start = start
        self.interest = interest
    }

    /// Records in the program's hands.
    var open: Int { queue.count - head }

    /// A broker has been reached: asks to become a member, or to go on as one.
    mutating func request(_ number: UInt32) -> ConsumeRequest {
        round += 1
        done = 0
        isDirty = false
        isSettled = false
        for partition in told.indices { told[partition] = 0 }
        let last = ConsumerCommit(
            member: member, epoch: epoch, generation: generation, places: PartitionPlace.gather(known(confirmed)) { confirmed[$0] })
        let held = PartitionPlace.gather(known(received)) { received[$0] }
        return ConsumeRequest(request: number, name: name, client: client, last: last, held: held, start: start, interest: interest)
    }
    private func known(_ places: [UInt64]) -> PartitionSet {
        var found = PartitionSet()
        for partition in partitions where places[partition] > 0 { found.insert(partition) }
        return found
    }

    mutating func assigned(_ assignment: ConsumerAssignment) {
        epoch = assignment.epoch
        generation = assignment.generation
        isSettled = assignment.isSettled
        partitions = assignment.partitions
        var now = [UInt32](repeating: 0, count: Partition.count)
        for line in assignment.lines { for partition in line.partitions { now[partition] = line.since } }
        for partition in now.indices where now[partition] != since[partition] {
            since[partition] = now[partition]
            received[partition] = 0
            confirmed[partition] = 0
            told[partition] = 0
        }
    }

    /// A record comes. False: the program has had it already.
    mutating func take(_ topic: TopicID, _ offset: UInt64) -> Bool {
        let partition = Partition.of(topic)
        guard offset >= received[partition] else {
            done += 1
            isDirty = true
            return false
        }
        received[partition] = offset &+ 1
        queue.append(Receipt(partition: UInt8(partition), since: since[partition], round: round, offset: offset))
        return true
    }

    /// The program has done with the oldest `count` of those in its hands.
    mutating func acknowledge(_ count: Int) {
        for receipt in queue[head..<head + count] {
            let partition = Int(receipt.partition)
            if receipt.since == since[partition] { confirmed[partition] = max(confirmed[partition], receipt.offset &+ 1) }
            if receipt.round == round { done += 1 }
            isDirty = true
        }
        head += count
        if head == queue.count {
            queue.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 4096, head > queue.count / 2 {
            queue.removeFirst(head)
            head = 0
        }
    }

    /// What the broker has not been told yet; with `request`, the last word.
    mutating func confirm(_ request: UInt32 = 0) -> ConsumerConfirm {
        isDirty = false
        var risen = PartitionSet()
        for partition in partitions where confirmed[partition] > told[partition] {
            risen.insert(partition)
            told[partition] = confirmed[partition]
        }
        return ConsumerConfirm(
            request: request, generation: generation, done: done, places: PartitionPlace.gather(risen) { confirmed[$0] })
    }
}
