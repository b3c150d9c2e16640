internal import CFabric
internal import Glibc

/// Time: heartbeats, deadlines, and how to wait for news.
extension Transport {
    /// How long `.adaptive` yields after the last traffic before it blocks.
    static let spinTime: UInt64 = 40_000
    /// A yield that takes longer than this went to a neighbour that computes: blocking is then quicker, since a wakeup
    /// preempts. Yields are tried again after `yieldPause`.
    static let yieldLimit: UInt64 = 200_000
    static let yieldPause: UInt64 = 20_000_000

    /// Flushes, then waits for news, a wakeup, or `until` (CLOCK_MONOTONIC, ns); events that it meets itself are appended.
    /// Returns at once where there is news already. Call `poll` after it.
    package func sleep(until: UInt64, mode: WaitMode, into events: inout [TransportEvent]) {
        flush()
        let before = events.count
        let time = monotonicNow()
        let limit = min(until, nextTimer)
        guard doomed.isEmpty, time < limit, !leavesCrowd, graves.isEmpty else { return look(for: 0, into: &events) }
        switch mode {
        case .busy:
            sched_yield()
            return look(for: 0, into: &events)
        case .adaptive where time < lastTraffic + Transport.spinTime && time >= nextYield:
            sched_yield()
            if monotonicNow() - time > Transport.yieldLimit { nextYield = time + Transport.yieldPause }
            return look(for: 0, into: &events)
        case .adaptive, .sleep: break
        }
        // From here on neighbours ring; what they wrote before is found below.
        setAsleep(true)
        defer { setAsleep(false) }
        if let fabric {
            let armsEvents = eventsWereSignalled || !fabric.eventsSignalThemselves
            guard fabric.mayBlock(onEvents: armsEvents) else { return }
            // Arming takes writes in on some providers, and their signal may be spent: look once more before blocking.
            now = max(now, time)
            let news = readCompletions(into: &events)
            let changes = armsEvents && readEvents(into: &events)
            eventsWereSignalled = false
            guard !news, !changes, events.count == before, doomed.isEmpty else { return }
        }
        counters.sleeps += 1
        look(for: limit - time, into: &events)
        // Time that was slept by intent is no pause of ours.
        now = max(now, min(monotonicNow(), limit))
    }

    /// Waits up to `nanoseconds` and reports which wakeups are ready.
    private func look(for nanoseconds: UInt64, into events: inout [TransportEvent]) {
        // Without wakeups there is nothing to look for: the next poll reads the queues anyway.
        guard nanoseconds > 0 || !wakeups.isEmpty else { return }
        poller.wait(nanoseconds) { file in
            if file == eventFile {
                eventsAreDue = true
                eventsWereSignalled = true
            } else if file == bell?.file {
                bell?.drain()
            } else if file != completionFile, file != dialer?.ready {
                events.append(.wakeup(file))
            }
        }
    }

    /// Reports `.wakeup(file)` from `sleep` whenever `file` can be read (level-triggered).
    package func addWakeup(_ file: Int32) throws(TransportError) {
        try poller.add(file)
        wakeups.append(file)
    }
    /// Before `file` is closed.
    package func removeWakeup(_ file: Int32) {
        guard let place = wakeups.firstIndex(of: file) else { return }
        wakeups.remove(at: place)
        poller.remove(file)
    }

    // Timers.

    /// Heartbeats that are nearly due go out together, so that many links do not wake the process one by one.
    private var heartbeatSlack: UInt64 { options.heartbeat / 3 }

    func runTimers(into events: inout [TransportEvent]) {
        var next = UInt64.max
        crowd = (0..<highWater).count { links[$0].state == .up && links[$0].silence == nil }
        for i in 0..<highWater {
            switch links[i].state {
            case .free, .down: continue
            case .connecting, .greeting:
                guard links[i].deadline <= now else { break }
                let why = links[i].state == .connecting ? "no answer" : "no end of the hello in time"
                fail(i, .unreachable(why), into: &events)
                continue
            case .lingering:
                guard links[i].deadline <= now else { break }
                fail(i, .local, into: &events)
                continue
            case .up:
                guard now < silent(i) else {
                    fail(i, .silent, into: &events)
                    continue
                }
                if now + heartbeatSlack >= links[i].lastSent + links[i].pause {
                    // A neighbour finds it when its own time comes to look for it; where the row says more, it is rung as ever.
                    if let neighbour = links[i].neighbour {
                        if links[i].hasTraffic || links[i].wantsRow { toRing.append(i) }
                        tell(i, neighbour)
                        break
                    }
                    links[i].wantsRow = true
                    links[i].isStalled = true
                    // Should the row not go out, for want of a slot, the next look comes with the next heartbeat.
                    links[i].lastSent = now
                    markPending(i)
                }
            }
            next = min(next, due(i))
        }
        nextTimer = next
    }
    private func due(_ i: Int) -> UInt64 {
        links[i].state == .up ? min(links[i].lastSent + links[i].pause, silent(i)) : links[i].deadline
    }
    private func areMembers(_ i: Int) -> Bool { options.identity.isNode && links[i].silence != nil }
    /// When a peer that says nothing more is given up.
    private func silent(_ i: Int) -> UInt64 {
        let limit = links[i].silence?.limit ?? options.deadline
        let told = told(i)
        return links[i].lastHeard + (told > options.heartbeat && !areMembers(i) ? max(limit, Transport.missedPauses * told) : limit)
    }
    private func told(_ i: Int) -> UInt64 { min(links[i].rowIn.prefix.pause, Transport.longestTold) }

    /// When the next row on a link follows this one at the latest. Where a node has many clients, rows that say nothing new would cost it, and
    /// them, more than all else: they become rarer, so that it sends about as many a second whatever the number of clients; each client answers in
    /// kind. Members among themselves keep to the heartbeat.
    func pause(_ i: Int) -> UInt64 {
        guard !areMembers(i) else { return options.heartbeat }
        guard options.identity.isNode else { return max(options.heartbeat, told(i)) }
        return max(options.heartbeat, min(options.heartbeat * UInt64(crowd / Transport.smallCrowd), Transport.longestPause))
    }
    /// Clients that get a row with each heartbeat.
    static let smallCrowd = 100
    static let longestPause: UInt64 = 2_000_000_000
    /// The longest heartbeat that a node may be told to have.
    static let longestTold: UInt64 = 10_000_000_000
    /// Between a client and its node: who says that it sends rows more rarely than this side does is given up after so many that should have come.
    static let missedPauses: UInt64 = 4

    /// This thread was away for `pause` beyond a heartbeat: links get that time back.
    func forgive(_ pause: UInt64) {
        for i in 0..<highWater where links[i].state == .up { links[i].lastHeard = min(now, links[i].lastHeard + pause) }
    }
}
