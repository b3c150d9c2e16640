package import Wire

/// Publishes records; learns the cluster from any broker, fails over and resumes without loss or duplicate.
/// One thread; `wait` makes progress.
public final class Publisher {
    public private(set) var statistics = PublisherStatistics()

    /// - identity: a name for exactly-once across restarts; nil draws one for this run.
    /// - minimumLevel: refuse topics of a lower level (0…2).
    public init(_ options: ClientOptions, identity: String?, batchBytes: Int, linger: Double, minimumLevel: Int?) throws(ClientError) {
        fatalError()
    }
    /// Blocks until a broker has taken this publisher's identity.
    public func connect() throws(ClientError) { fatalError() }
    /// A handle for `name`; asked of the cluster in the background, together with other new names.
    public func topic(_ name: String) throws(ClientError) -> TopicHandle { fatalError() }
    /// Takes a copy of one record. False: the window is full, nothing was taken; `wait` and call again.
    package func publish(
        _ topic: TopicHandle, key: ByteView, headers: ByteView, time: Int64, payload: ByteView, retain: Bool
    ) throws(ClientError) -> Bool { fatalError() }
    /// Sends what is in unfinished batches now.
    public func flush() throws(ClientError) { fatalError() }
    /// Makes progress for up to `seconds` (0: once), and returns early when anything was acknowledged, there is room again, or
    /// `file` (a descriptor, or -1) can be read. Returns whether `file` can be read.
    public func wait(upTo seconds: Double, reading file: Int32) throws(ClientError) -> Bool { fatalError() }
    /// Flushes and waits until all is acknowledged, or `seconds` have passed; returns how many records are not.
    public func finish(within seconds: Double) throws(ClientError) -> UInt64 { fatalError() }
    public func close() { fatalError() }
}
