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
    private struct Place {
        var group: Int32 = -1
        var topic = TopicID(0)
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

    mutating func addTopic() { places.append(Place()) }
    mutating func set(_ handle: Int, _ group: GroupID, _ topic: TopicID) { places[handle] = Place(group: Int32(group.raw), topic: topic) }
    mutating func forgetTopics() { for index in places.indices { places[index].group = -1 } }

    /// Copies one record into its group's batch; no more than `window` bytes are under way.
    mutating func take(
        _ handle: Int, flags: UInt32, time: Int64, key: ByteView, headers: ByteView, payload: ByteView, publisher: PublisherID, window: Int
    ) -> Answer {
        let place = places[handle]
        guard isClear, place.group >= 0, groups[Int(place.group)].opening == .open else { return .notYet }
        guard bytesUnderWay + payload.count < window else { return .full }
        count(payload.count)
        add(Int(place.group), place.topic, flags: flags, time: time, key: key, headers: headers, payload: payload, publisher: publisher)
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
