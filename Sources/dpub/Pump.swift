internal import Client
internal import Tooling
internal import Wire

/// How a run of records ended.
enum PumpEnd: Error {
    case ended
    case interrupted
    case input(InputFault)
    case reading(SystemFault)
    case client(ClientError)
}

/// What the command line says about every record.
struct RecordSettings: Equatable {
    /// For records that name none; nil: every record must.
    var topic: String?
    /// For records without one of their own.
    var key: [UInt8] = []
    var headers: [UInt8] = []
    var retain = false
    var pace = Pacer.Pace.unlimited
    /// Seconds that records may wait for company.
    var linger = 0.005
}

/// Carries records from an input to a sink: one thread, one wait for both sides.
///
///      cut ──record──▶ pace ──▶ room? ──▶ taken ──▶ cut …
///       │ more bytes needed
///       └──▶ wait for input and network ──▶ read ──▶ cut
struct Pump<Format: InputFormat & ~Copyable, Sink: RecordSink>: ~Copyable {
    /// The longest wait without a look at signals and the progress line, seconds.
    static var slice: Double { 0.1 }

    private var format: Format
    private let sink: Sink
    private let retain: Bool
    private let linger: Double
    private var cache = TopicCache<Sink.Topic>()
    // Constants of the run, in memory that stays in place.
    private let topic: ByteBuffer
    private let key: ByteBuffer
    private let headers: ByteBuffer
    private var pacer: Pacer
    private(set) var progress: ProgressLine
    /// Nanoseconds since 1970, read once per chunk and after each wait.
    private var wall = Clock.wall()
    /// When the oldest record that may still wait for company was taken; nil: none waits.
    private var lingering: Double?

    init(_ format: consuming Format, _ sink: Sink, _ settings: RecordSettings, _ progress: ProgressLine) {
        self.format = format
        self.sink = sink
        self.progress = progress
        retain = settings.retain
        linger = settings.linger
        pacer = Pacer(settings.pace)
        topic = ByteBuffer(copying: Array((settings.topic ?? "").utf8))
        key = ByteBuffer(copying: settings.key)
        headers = ByteBuffer(copying: settings.headers)
    }

    /// Publishes all of `source`, `times` over; `isMessage`: it is one message, kept in memory.
    mutating func run(_ source: inout InputSource, times: Int, isMessage: Bool) -> PumpEnd {
        do throws(PumpEnd) {
            for round in 0..<times {
                if round > 0 {
                    do throws(SystemFault) { try source.rewind(keepingBytes: isMessage) } catch { throw .reading(error) }
                    format.restart()
                }
                try once(&source)
            }
            return .ended
        } catch {
            return error
        }
    }

    private mutating func once(_ source: inout InputSource) throws(PumpEnd) {
        while true {
            if try cut(&source) { return }
            try awaitInput(source.waitable)
            do throws(SystemFault) { try source.read() } catch { throw .reading(error) }
            wall = Clock.wall()
        }
    }

    /// Publishes what is whole in the buffer; true at the input's end.
    private mutating func cut(_ source: inout InputSource) throws(PumpEnd) -> Bool {
        while true {
            let step: InputStep
            do throws(InputFault) {
                step = try format.next(source.waiting, atEnd: source.atEnd)
            } catch {
                throw .input(error)
            }
            switch step {
            case .record(let record, let consumed):
                try put(record)
                source.consume(consumed)
            case .skip(let consumed): source.consume(consumed)
            case .more: return false
            case .end: return true
            }
        }
    }

    /// Checks the limits, waits until the record is due and there is room, and hands it over.
    private mutating func put(_ record: InputRecord) throws(PumpEnd) {
        let key = record.key ?? key.view
        guard key.count <= Limits.key else {
            throw fault("key of \(Numbers.grouped(key.count)) bytes is over the limit of \(Numbers.grouped(Limits.key))")
        }
        let length = RecordHeader.length(key: key.count, headers: headers.count, payload: record.payload.count)
        guard length <= Limits.record else {
            throw fault("record takes \(Numbers.grouped(length)) bytes, the limit is \(Numbers.grouped(Limits.record))")
        }
        let handle = try handle(of: record.topic ?? topic.view)
        if pacer.pace != .unlimited { try awaitDue(record.time) }
        let time = record.time ?? wall
        while true {
            do throws(ClientError) {
                if try sink.publish(
                    handle, key: key, headers: headers.view, time: time, payload: record.payload, retain: retain)
                {
                    break
                }
            } catch {
                throw .client(error)
            }
            _ = try idle(upTo: Self.slice, reading: -1)
            if Interrupts.asked { throw .interrupted }
        }
        if lingering == nil { lingering = Clock.monotonic() }
    }

    private mutating func handle(of name: ByteView) throws(PumpEnd) -> Sink.Topic {
        if let known = cache.find(name) { return known }
        if let why = topicFault(name) { throw fault(why) }
        do throws(ClientError) {
            let fresh = try sink.topic(name.text)
            cache.insert(name, fresh)
            return fresh
        } catch {
            throw .client(error)
        }
    }
    private func fault(_ message: String) -> PumpEnd { .input(InputFault(line: format.line, message: message)) }

    // MARK: Waiting

    private mutating func awaitDue(_ time: Int64?) throws(PumpEnd) {
        while true {
            if Interrupts.asked { throw .interrupted }
            let now = Clock.monotonic()
            let left = pacer.delay(now: now, time: time ?? wall)
            guard left > 0 else {
                pacer.sent(now: now)
                return
            }
            _ = try idle(upTo: left, reading: -1)
            wall = Clock.wall()
        }
    }
    /// Until there is something to read, or the end of it.
    private mutating func awaitInput(_ file: Int32) throws(PumpEnd) {
        repeat {
            if Interrupts.asked { throw .interrupted }
            if file < 0 {
                _ = try idle(upTo: 0, reading: -1)
                return
            }
        } while !(try idle(upTo: Self.slice, reading: file))
    }
    /// Lets the sink work for up to `seconds`, less where records have waited long enough for company.
    private mutating func idle(upTo seconds: Double, reading file: Int32) throws(PumpEnd) -> Bool {
        do throws(ClientError) {
            var limit = min(seconds, Self.slice)
            let now = Clock.monotonic()
            if let since = lingering {
                if since + linger <= now {
                    try sink.flush()
                    lingering = nil
                } else {
                    limit = min(limit, since + linger - now)
                }
            }
            progress.update(sink.tally, now: now)
            return try sink.wait(upTo: limit, reading: file)
        } catch {
            throw .client(error)
        }
    }

    /// Waits for acknowledgements until all are there, none came for `patience` seconds, or `patience` has passed since an
    /// interrupt; how many records are missing.
    mutating func drain(patience: Double) throws(ClientError) -> UInt64 {
        var answered = sink.tally.answered
        var since = Clock.monotonic()
        var interruptedAt: Double?
        while true {
            let missing = try sink.finish(within: Self.slice)
            let now = Clock.monotonic()
            progress.update(sink.tally, now: now)
            if missing == 0 { return 0 }
            let answers = sink.tally.answered
            if answers != answered {
                answered = answers
                since = now
            }
            if Interrupts.asked, interruptedAt == nil { interruptedAt = now }
            if now - since >= patience || interruptedAt.map({ now - $0 >= patience }) ?? false { return missing }
        }
    }
    /// Takes the progress line away.
    mutating func clearProgress() { progress.clear() }
}
