package import Wire

/// A broker's address.
public struct BrokerAddress: Hashable, Sendable, CustomStringConvertible {
    public static let defaultPort: UInt16 = 7420
    public var host: String
    public var port: UInt16
    public init(host: String, port: UInt16 = BrokerAddress.defaultPort) {
        self.host = host
        self.port = port
    }
    public var description: String { "\(host):\(port)" }
}

/// How a client reaches the cluster.
public struct ClientOptions: Sendable {
    /// Any brokers; the rest is learned.
    public var brokers: [BrokerAddress]
    /// libfabric provider: `auto`, `tcp`, `verbs`, …
    public var provider = "auto"
    /// The cluster's secret; empty where the cluster has none.
    public var secret: [UInt8] = []
    /// How long to look for a broker before giving up, seconds; also after a broker was lost.
    public var patience = 10.0
    /// With a broker on this machine, messages are written into one another's memory, where the kernel lets the two.
    public var sharesMemory = true
    public init(brokers: [BrokerAddress]) { self.brokers = brokers }
}

/// Why a client could not go on.
public enum ClientError: Error, Sendable, CustomStringConvertible {
    /// No broker could be reached; what each one said.
    case unreachable([(BrokerAddress, String)])
    /// The cluster refuses: a topic that no pattern admits, a level too low, a wrong secret.
    case refused(String)
    /// A question that makes no sense to the cluster: a pattern that is none.
    case invalid(String)
    /// A record, key or header over a limit.
    case tooLarge(String)
    /// A record that is not as its topic's schema says.
    case unfit(String)
    /// Another publisher took over this identity.
    case fenced(String)
    /// The broker or the machine failed in a way that retrying does not mend.
    case failed(String)

    public var description: String {
        switch self {
        case .unreachable(let tried):
            "no broker reached: " + tried.map { "\($0.0) (\($0.1))" }.joined(separator: ", ")
        case .refused(let why), .invalid(let why), .tooLarge(let why), .unfit(let why), .fenced(let why), .failed(let why): why
        }
    }
    /// As in the command-line reference: 69 no broker, 77 not allowed, 65 input, 1 failed.
    public var exitStatus: Int32 {
        switch self {
        case .unreachable: 69
        case .refused: 77
        case .invalid: 64
        case .tooLarge, .unfit: 65
        case .fenced, .failed: 1
        }
    }
}

/// A topic as one publisher knows it.
public struct TopicHandle: Hashable, Sendable { package let index: Int32 }

/// Where a subscription begins (in each group's log).
public enum StartPosition: Equatable, Sendable {
    case beginning
    case end
    /// The record of this offset.
    case offset(UInt64)
    /// This many records before the end.
    case tail(UInt64)
    /// The first record ordered at or after this time, nanoseconds since 1970.
    case time(UInt64)
    /// The last value of each matching topic and key, then live.
    case last
}

public struct Subscription: Sendable {
    public var patterns: [String]
    public var excluded: [String] = []
    /// Which records of these topics, by what is in them, as in `value > 80 and unit == "C"`; empty: all.
    public var filter = ""
    public var start: StartPosition = .end
    /// Topics of a lower level (0…3) end the subscription with `refused`, before anything of them is handed over.
    public var minimumLevel = 0
    /// The consumer group to be a member of: its members share the topics, each record goes to one of them, and what they have
    /// acknowledged is kept by the cluster. `start` counts where the group is new, and is `beginning`, `end` or an offset.
    public var consumerGroup: String?
    /// What operators are shown of this member.
    public var memberName = ""
    /// Records from this offset on are not delivered; the subscription is at its end there.
    public var endOffset: UInt64?
    public init(patterns: [String]) { self.patterns = patterns }
}

/// What a publisher has done so far, in records.
public struct PublisherStatistics: Sendable {
    public var sent: UInt64 = 0
    public var acknowledged: UInt64 = 0
    /// Found already there from an earlier run of the same identity, or before a failover.
    public var duplicates: UInt64 = 0
    public var failed: UInt64 = 0
    public var payloadBytes: UInt64 = 0
    /// The lowest level among the topics published to.
    public var level: String = ""
    /// Disks that an acknowledgement waits for, of how many.
    public var quorum = 0
    public var members = 0
    public var reconnects = 0
}

/// A record as a subscriber sees it; its bytes are valid during the call it is passed to.
public struct ReceivedRecord {
    public var topic: String { labels[label] }
    let labels: TopicLabels
    package internal(set) var label: Int
    package internal(set) var view: RecordView
    public internal(set) var offset: UInt64
    /// When it was ordered, nanoseconds since 1970 (hybrid clock).
    public let ordered: UInt64
    /// The node that ordered it.
    public let node: UInt16
    public let group: UInt16

    /// The publisher's time, nanoseconds since 1970.
    public var time: Int64 { view.header.time }
    public var payload: [UInt8] { view.payload.array }
    public var key: [UInt8] { view.key.array }
    package init(topic: String, view: RecordView, offset: UInt64, ordered: UInt64, node: UInt16, group: UInt16) {
        self.init(labels: TopicLabels([topic]), label: 0, view: view, offset: offset, ordered: ordered, node: node, group: group)
    }
    /// - label: the place of the topic's name.
    init(labels: TopicLabels, label: Int, view: RecordView, offset: UInt64, ordered: UInt64, node: UInt16, group: UInt16) {
        self.labels = labels
        self.label = label
        self.view = view
        self.offset = offset
        self.ordered = ordered
        self.node = node
        self.group = group
    }
}
