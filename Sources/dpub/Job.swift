internal import Client
internal import Tooling
internal import Wire

/// How a job ended: the end of its records, and what was not acknowledged.
struct JobResult {
    var end: PumpEnd
    var source: String
    var missing: UInt64
    /// What broke the wait for acknowledgements.
    var drainFault: ClientError?

    /// What to say and which status to leave; nil: all went well. An empty message: the closing line says it.
    func failure(_ tally: Tally) -> ToolFailure? {
        switch end {
        case .client(let error): return ToolFailure(status: error.exitStatus, error.description)
        case .input(let fault): return ToolFailure(.input, fault.text(source: source))
        case .reading(let fault): return ToolFailure(.failed, "\(source): \(fault.reason)")
        case .ended, .interrupted: break
        }
        if let drainFault { return ToolFailure(status: drainFault.exitStatus, drainFault.description) }
        if missing > 0 {
            return ToolFailure(.unacknowledged, "\(Numbers.grouped(missing)) record\(missing == 1 ? " is" : "s are") not acknowledged")
        }
        return tally.failed > 0 ? ToolFailure(.unacknowledged, "") : nil
    }
}

/// One run: a source, a sink and what lies between them.
struct Job {
    let plan: Plan
    let options: ClientOptions
    let running: RunFlags
    let isMessage: Bool

    func connect() throws(ToolFailure) -> Publisher {
        do throws(ClientError) {
            if running.verbose {
                say("dpub", "connecting to \(options.brokers.map(\.description).joined(separator: ", ")), provider \(options.provider)")
            }
            let publisher = try Publisher(
                options, identity: plan.identity, batchBytes: plan.batchBytes, linger: plan.settings.linger,
                minimumLevel: plan.minimumLevel)
            try publisher.connect()
            return publisher
        } catch {
            throw ToolFailure(status: error.exitStatus, error.description)
        }
    }

    /// Publishes the source and waits for the acknowledgements of what was read, whatever ended the reading.
    func run<Sink: RecordSink>(_ source: inout InputSource, _ sink: Sink) -> JobResult {
        switch plan.input {
        case .message, .whole: carry(WholeFormat(), &source, sink)
        case .lines(_, let separator): carry(LineFormat(keySeparator: separator), &source, sink)
        case .csv(_, let columns): carry(CSVFormat(columns), &source, sink)
        case .json(_, let topicField, let timeField):
            carry(JSONFormat(topicField: topicField, timeField: timeField, needsTopic: plan.settings.topic == nil), &source, sink)
        }
    }
    private func carry<Format: InputFormat & ~Copyable, Sink: RecordSink>(
        _ format: consuming Format, _ source: inout InputSource, _ sink: Sink
    ) -> JobResult {
        let shows = running.progress == .always || (running.progress == .auto && Terminal.isTerminal(2))
        let line = ProgressLine(isOn: shows, isTerminal: Terminal.isTerminal(2), now: Clock.monotonic())
        var pump = Pump(format, sink, plan.settings, line)
        var result = JobResult(end: pump.run(&source, times: plan.times, isMessage: isMessage), source: source.name, missing: 0)
        defer { pump.clearProgress() }
        // A client that has failed for good has nobody to wait for.
        if case .client(let error) = result.end, !error.leavesOthersWaiting { return result }
        // A record that is refused is told once: what came before it is waited for all the same.
        while true {
            do throws(ClientError) {
                result.missing = try pump.drain(patience: options.patience)
                return result
            } catch {
                let isFirst = result.drainFault == nil
                result.drainFault = result.drainFault ?? error
                guard isFirst, error.leavesOthersWaiting else { return result }
            }
        }
    }

    func details(_ tally: Tally, _ seconds: Double) -> String {
        "\(Numbers.bytes(Double(tally.payloadBytes))) of payload in \(Numbers.duration(seconds)), "
            + "reconnected \(tally.reconnects) time\(tally.reconnects == 1 ? "" : "s")"
    }
}

extension ClientError {
    /// Records sent before this error may still be acknowledged.
    var leavesOthersWaiting: Bool {
        switch self {
        case .refused, .tooLarge, .unfit: true
        case .unreachable, .invalid, .fenced, .failed: false
        }
    }
}
