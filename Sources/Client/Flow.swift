internal import Wire

/// What each record touches on its way into a batch, in one value: the class that holds it checks its access once a record.
struct Flow {
    enum Answer {
        /// Into a batch, or left out because an earlier run had published it.
        case taken
        /// The window is full.
        case full
        /// The topic's id or the group's epoch is not known yet, or earlier records wait for theirs.
        case notYet
    }
    /// `| group: 8 | topic: 24 |`, four bytes: looked at once a record.
    private struct Place {
        private let raw: UInt32
        private init(raw: UInt32) { self.raw = raw }
        init(_ group: GroupID, _ topic: TopicID) { raw = UInt32(group.raw) << 24 | topic.raw }
        static let unknown = Place(raw: .max)
        /// Beyond all groups where nothing is known.
        var group: Int { Int(raw >> 24) }
        var topic: TopicID { TopicID(raw & 0xFF_FFFF) }
    }

    var groups: [Outbound]
    var statistics = PublisherStatistics()
    /// No record waits for a topic's id or an epoch, and nothing has gone wrong.
    var isClear = true
    /// By the topic's handle.
    private var places: [Place] = []

    init(batchBytes: Int) {
        groups = (0..<GroupID.count).map { Outbound(group: GroupID(UInt16($0)), batchBytes: batchBytes) }
    }

    private var bytesUnderWay: Int {
        var sum = 0
        for index in groups.indices { sum += groups[index].bytes }
        return sum
    }

    mutating func addTopic() { places.append(.unknown) }
    mutating func set(_ handle: Int, _ group: GroupID, _ topic: TopicID) { places[handle] = Place(group, topic) }
    mutating func forgetTopics() { for index in places.indices { places[index] = .unknown } }

    /// Copies one record into its group's batch; no more than `window` bytes are under way.
    mutating func take(
        _ handle: Int, flags: UInt32, time: Int64, key: ByteView, headers: ByteView, payload: ByteView, publisher: PublisherID, window: Int
    ) -> Answer {
        let place = places[handle]
        guard isClear, place.group < groups.count, groups[place.group].opening == .open else { return .notYet }
        guard bytesUnderWay + payload.count < window else { return .full }
        count(payload.count)
        add(place.group, place.topic, flags: flags, time: time, key: key, headers: headers, payload: payload, publisher: publisher)
        return .taken
    }

    mutating func count(_ bytes: Int) {
        statistics.sent += 1
        statistics.payloadBytes += UInt64(bytes)
    }

    mutating func add(
        _ group: Int, _ topic: TopicID, flags: UInt32, time: Int64, key: ByteView, headers: ByteView, payload: ByteView, publisher: PublisherID
    ) {
        if groups[group].skips() {
            statistics.duplicates += 1
            statistics.acknowledged += 1
            return
        }
        let isNew = groups[group].gathered == 0
        groups[group].append(
            topic: topic, flags: flags, time: time, key: key, headers: headers, payload: payload, publisher: publisher,
            now: isNew ? Attachment.now() : 0)
    }
}
