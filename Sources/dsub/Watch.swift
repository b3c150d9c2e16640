internal import Client
internal import Glibc
internal import Tooling
internal import Wire

/// One subscription from its first record to its end: one thread, one write per poll.
///
///      poll ──records──▶ print into the buffer ──▶ write ──▶ enough? ──no──▶ poll
final class Watch {
    /// The longest wait without a look at signals and the reader of our output, seconds.
    private let slice = 0.1
    /// The buffer is written out in the middle of a poll when it has grown so large.
    private let outputTarget = 256 << 10

    private var rule: StopRule
    private var printer: Printer
    private var meter: Meter?
    private let field: String?
    private let watchesReader = Descriptor.isWaitable(1) && !Terminal.isTerminal(1)
    private let waits = Descriptor.isWaitable(1)
    /// When the subscriber is looked after next while output is written.
    private var stayAt = 0.0
    private var skipped: UInt64 = 0
    /// Whether what was written out is done with.
    private let acknowledges: AcknowledgeName?
    private var confirmations: Confirmations?

    init(_ plan: WatchPlan, startedAt start: Double) {
        rule = StopRule(count: plan.count, stopsAtEnd: plan.stopsAtEnd, deadline: plan.timeLimit.map { start + $0 })
        printer = Printer(
            plan.output, showsTopic: plan.showsTopic, field: plan.field, width: plan.width, colours: Terminal.wantsColour(1))
        if case .meter(let kinds) = plan.output { meter = Meter(kinds, now: Clock.monotonic()) }
        field = plan.field
        acknowledges = plan.acknowledges
        if acknowledges == .manual { confirmations = Confirmations(0) }
    }

    func run(_ subscriber: Subscriber) -> Result<ExitStatus, ToolFailure> {
        var result: Result<ExitStatus, ToolFailure>
        do throws(WatchStop) {
            result = .success(try loop(subscriber))
        } catch {
            switch error {
            case .closed: return .success(.done)
            case .failed(let failure): result = .failure(failure)
            }
        }
        do throws(WatchStop) {
            // What came before the failure is the reader's.
            if meter != nil { try print(meter?.summary(now: Clock.monotonic()) ?? []) }
            try flush(nil)
            if acknowledges == .auto { subscriber.acknowledge() }
        } catch {
            if case .failed(let failure) = error, case .success = result { result = .failure(failure) }
        }
        let leftOut = printer.leftOut
        if leftOut > 0, let field {
            let who = leftOut == 1 ? "1 record has" : "\(Numbers.grouped(leftOut)) records have"
            say("dsub", "\(who) no field \"\(field)\": left out")
        }
        return result
    }

    private func loop(_ subscriber: Subscriber) throws(WatchStop) -> ExitStatus {
        if confirmations != nil, Descriptor.isWaitable(0) { subscriber.wakeup = 0 }
        while true {
            let now = Clock.monotonic()
            var wait = rule.wait(now: now, slice: slice)
            if let meter { wait = min(wait, meter.untilDue(now)) }
            let progress = try poll(subscriber, upTo: wait)
            if progress.skipped > skipped {
                let lost = progress.skipped - skipped
                let what = lost == 1 ? "1 record was" : "\(Numbers.grouped(lost)) records were"
                say("dsub", "\(what) missed: dropped since this subscriber was too slow, or no longer kept (\(Numbers.grouped(progress.skipped)) in all)")
                skipped = progress.skipped
            }
            let after = Clock.monotonic()
            if let due = meter?.isDue(after), due { try print(meter?.report(now: after) ?? []) }
            try flush(subscriber)
            if acknowledges == .auto { subscriber.acknowledge() }
            if let status = rule.verdict(atEnd: progress.atEnd, interrupted: Interrupts.asked, now: after) {
                return try settle(subscriber, status)
            }
            if try !confirm(subscriber) { return .done }
            if progress.delivered == 0, watchesReader, Descriptor.readerIsGone(1) { throw .closed }
        }
    }

    /// Takes the lines in. False: no more will come.
    private func confirm(_ subscriber: Subscriber) throws(WatchStop) -> Bool {
        guard confirmations != nil else { return true }
        let lines: Int
        do throws(SystemFault) { lines = try confirmations!.take() } catch {
            throw .failed(ToolFailure(.failed, "standard input: \(error.reason)"))
        }
        let open = subscriber.unacknowledged
        subscriber.acknowledge(min(lines, open))
        if lines > open {
            throw .failed(ToolFailure(.input, "standard input: \(lines) lines for \(open) records; each line stands for one record that was printed"))
        }
        return !confirmations!.isAtEnd
    }

    /// With `--ack manual`, waits for the lines of what was printed, unless there is reason to hurry.
    private func settle(_ subscriber: Subscriber, _ status: ExitStatus) throws(WatchStop) -> ExitStatus {
        guard confirmations != nil else { return status }
        while try confirm(subscriber), subscriber.unacknowledged > 0, !Interrupts.asked, rule.wait(now: Clock.monotonic(), slice: slice) > 0 {
            do throws(ClientError) { try subscriber.rest(upTo: slice) } catch {
                throw .failed(ToolFailure(status: error.exitStatus, error.description))
            }
        }
        return status
    }

    private func poll(_ subscriber: Subscriber, upTo seconds: Double) throws(WatchStop) -> Subscriber.Progress {
        let progress: Subscriber.Progress
        do throws(ClientError) {
            progress = try subscriber.poll(upTo: seconds) { [self] record in take(Printable(record)) }
        } catch {
            throw .failed(ToolFailure(status: error.exitStatus, error.description))
        }
        return progress
    }
    /// One record; whether more are wanted.
    private func take(_ record: Printable) -> Bool {
        if meter != nil {
            let delay = Double(Clock.wall() &- record.time) / 1e9
            meter?.add(topic: record.topic, size: record.payload.count, delay: delay, now: Clock.monotonic())
            return rule.take()
        }
        guard printer.append(record) else { return true }
        // What is full is written out between two polls: the rest stays with the subscriber.
        return rule.take() && printer.output.count < outputTarget
    }

    private func print(_ lines: [String]) throws(WatchStop) {
        if !Descriptor.writeText(lines.map { $0 + "\n" }.joined(), to: 1) { throw .closed }
    }
    /// Writes out what was printed. While its reader is slow the subscriber stays with its broker; after a failure (nil) there is none.
    private func flush(_ subscriber: Subscriber?) throws(WatchStop) {
        var done = 0
        while done < printer.output.count {
            done += try put(printer.output.view.from(done), within: subscriber == nil ? -1 : 50)
            let now = Clock.monotonic()
            guard let subscriber, done < printer.output.count, now >= stayAt else { continue }
            stayAt = now + 0.05
            if Interrupts.asked, Descriptor.wait(1, for: Int16(POLLOUT), milliseconds: 0) == 0 { throw .closed }
            do throws(ClientError) { try subscriber.rest(upTo: 0) } catch {
                throw .failed(ToolFailure(status: error.exitStatus, error.description))
            }
        }
        printer.removeAll()
    }
    private func put(_ bytes: ByteView, within milliseconds: Int32) throws(WatchStop) -> Int {
        do throws(WriteFault) {
            return try Descriptor.write(bytes, to: 1, within: milliseconds, waits: waits)
        } catch {
            switch error {
            case .closed: throw .closed
            case .failed(let fault): throw .failed(ToolFailure(.failed, "standard output: \(fault.reason)"))
            }
        }
    }
}

/// Why a watch ends before its rule says so.
enum WatchStop: Error {
    /// Nobody reads our output any more.
    case closed
    case failed(ToolFailure)
}
