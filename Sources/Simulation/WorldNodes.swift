internal import Broker
internal import Glibc
internal import DequeModule
internal import Journal
internal import Storage
internal import Topics
internal import Wire

/// A node's loop, as `dbroker` runs it: events in, directives carried out in order, jobs to the disk.
extension World {
    func instant(_ host: Host) -> Instant {
        Instant(monotonic: now, wall: UInt64(Int64(World.epoch + now) + host.wallOffset))
    }

    func wake(_ host: Host, after delay: UInt64) {
        guard host.isRunning else { return }
        let at = max(now + delay, host.stalledUntil)
        guard at < host.turnAt else { return }
        host.turnAt = at
        queue.add(.turn(host: host.index, life: host.life), at: at)
    }
    func tell(_ host: Host, _ event: Host.Event) {
        host.inbox.append(event)
        wake(host, after: 500 + network.next() % (20 * Span.microsecond))
    }

    // MARK: lives

    func boot(_ host: Host) {
        guard !host.isRunning else { return }
        guard now >= host.hungUntil else { return queue.add(.boot(host: host.index), at: host.hungUntil) }
        host.life += 1
        if temper.hasPowerCuts, !isMended, disk.chance(5) { host.files.operationsUntilPowerCut = disk.below(20) }
        do throws(StorageError) {
            var options = LogOptions()
            options.segmentBytes = temper.segmentBytes
            options.zeroAhead = 1 << 10
            options.indexBytes = 1 << 10
            options.stateBytes = 512
            let opened = try Journal.open(host.files, members: hosts.map(\.id), options: options, verifies: host.mustVerify, topics: topics, removesStay: temper.removesStay)
            host.mustVerify = false
            host.files.operationsUntilPowerCut = nil
            let end = opened.states[0].end.number.raw
            // Where something is damaged the log ends for now before it.
            if opened.holes.isEmpty {
                guard end >= host.told else { return checker.fail("\(host.id) had \(host.told) entries on its disk and finds \(end)") }
                host.told = end
                if !temper.faults.contains(.rot) { checker.hasInstalled(opened.state.installed, entries: end, at: host.id) }
            }
            guard opened.state.incarnation.raw > host.incarnation.raw else {
                return checker.fail("\(host.id) begins as \(opened.state.incarnation) what was \(host.incarnation) before: its state went back")
            }
            host.incarnation = opened.state.incarnation
            host.promised = opened.state.promised
            if host.files.syncsUntilError == nil { host.syncFails = false }
            host.ring = OwnedBytes([UInt8](repeating: 0, count: temper.ringBytes))
            host.work = opened.journal
            // What was on its way to the disk when the last life ended is not in this one's log. Behind damage some is, and comes back with its repair.
            if opened.holes.isEmpty { clean.cut(host.index, from: opened.journal.durable.end.number.raw) }
            if rot == nil, let wrong = words.judge(end: opened.journal.durable.end.offset, host.index) { checker.fail("\(host.id) \(wrong)") }
            host.node = Node(settings: settings(of: host), state: opened.state, states: opened.states, holes: opened.holes, holdings: opened.holdings, agreed: opened.agreed, ring: host.ring.store)
            host.node!.isLeaving = host.isLeaving
            host.isLeaving = false
            host.nextTick = now
            note(opened.state.incarnation.raw)
            say("\(host.id) begins life \(host.life): \(opened.state.installed), \(opened.states[0].end.number.raw) entries")
            for hole in opened.holes { say("\(host.id) has damage: \(hole)") }
            wake(host, after: 1)
        } catch {
            let isCut = host.files.operationsUntilPowerCut != nil
            guard isCut || isExpected(error, host) else { return checker.fail("\(host.id) does not start: \(error)") }
            if isCut { host.files.crash(using: &disk) }
            queue.add(.boot(host: host.index), at: now + faults.scale(Span.millisecond, Span.second))
        }
    }

    private func settings(of host: Host) -> NodeSettings {
        var settings = NodeSettings(
            node: host.id, cluster: "sim", members: hosts.map { ($0.id, "h\($0.index):1") }, topics: topics,
            segmentBytes: temper.segmentBytes)
        settings.stateShare = temper.stateShare
        settings.restartWait = temper.restartWait
        settings.holdUp = temper.holdUp
        settings.stuckAfter = temper.stuckAfter
        settings.copyRate = temper.copyRate
        if temper.cleans {
            settings.cleanRate = 4 << 20
            settings.cleanBytes = temper.cleanBytes
            settings.cleanRest = (temper.isParted ? 5 : 50) * Span.millisecond
        }
        if let parting = temper.parting { (settings.fillAfter, settings.sayHoldingEvery) = (parting.fillAfter, parting.sayHoldingEvery) }
        settings.announces = temper.announces
        settings.pageMost = temper.pageBytes
        settings.mostGroups = temper.mostGroups
        settings.foldEvery = temper.foldEvery
        settings.worthParting = temper.worthParting
        settings.keptMost = temper.keptBytes
        settings.relayFrom = temper.relayFrom
        settings.relayBlock = temper.relayBlock
        settings.scrubBytes = 4 << 10
        settings.scrubEvery = 50 * Span.millisecond
        settings.scrubRest = 200 * Span.millisecond
        settings.consumerGrace = temper.suspectAfter + 2 * temper.networkMost
        return settings
    }

    /// The node's process ends; `power`: what its disk had not synced is in danger.
    func crash(_ host: Host, power: Bool) {
        guard host.isRunning else { return }
        counts.crashes += 1
        say("\(host.id) \(power ? "loses power" : "is killed")")
        if !host.isSpoilt, let busy = host.busy, var work = host.work, disk.chance(50) {
            // The jobs under way get as far as they get.
            if power { host.files.operationsUntilPowerCut = disk.below(12) }
            var results: [DiskResult] = []
            do throws(StorageError) {
                try work.work(busy, into: &results)
                if !power { host.peak = max(host.peak, work.durable.synced.raw) }
            } catch {
                if !power, !isExpected(error, host), !isDamage(error) { checker.fail("\(host.id)'s disk: \(error)") }
            }
            host.told = min(host.told, lowest(busy))
        }
        host.files.operationsUntilPowerCut = nil
        dropAll(host)
        host.forget()
        if power { host.files.crash(using: &disk) }
        if canLoseDisk(of: host), losses.chance(50) { loseDisk(of: host) }
    }

    private func dropAll(_ host: Host) {
        for link in host.links { if let link { drop(link, at: link.end(of: host.index)) } }
        for id in host.sessionOrder { if let link = host.sessions[id] { closeAtNode(link) } }
        // Links of this host that its node has not heard of yet.
        for id in peerLinks.keys.sorted() {
            let link = peerLinks[id]!
            if link.hosts.contains(host.index), link.lives[link.end(of: host.index)] == host.life { drop(link, at: link.end(of: host.index)) }
        }
        for id in clientLinks.keys.sorted() where clientLinks[id]!.host == host.index && clientLinks[id]!.life == host.life { closeAtNode(clientLinks[id]!) }
    }

    /// The node has asked for a new life: its disk finishes what it was given, its links go.
    private func begin(again host: Host, _ why: String) {
        say("\(host.id) starts again: \(why)")
        if host.hasLeft { counts.leaves += 1 } else { counts.restarts += 1 }
        var jobs = host.busy ?? []
        jobs += host.jobs
        var results: [DiskResult] = []
        host.told = min(host.told, lowest(jobs))
        if !host.isSpoilt {
            do throws(StorageError) {
                try host.work!.work(jobs, into: &results)
                try host.work!.close()
                host.peak = max(host.peak, host.work!.durable.synced.raw)
                letRot(ofCutOut: host, why)
            } catch { if !isExpected(error, host), !isDamage(error) { return checker.fail("\(host.id)'s disk: \(error)") } }
        }
        let pause = host.hasLeft ? away() : network.scale(100 * Span.microsecond, 20 * Span.millisecond)
        dropAll(host)
        host.forget()
        queue.add(.boot(host: host.index), at: now + pause)
    }

    // MARK: the disk

    private func startJobs(_ host: Host) {
        guard host.busy == nil, !host.jobs.isEmpty, !host.isSpoilt else { return }
        host.busy = host.jobs
        host.jobs = []
        if temper.isParted {
            for case .clean(_, _, _, let drop) in host.busy! { if let wrong = words.judge(drop, host.index) { checker.fail("\(host.id) \(wrong)") } }
        }
        let more = ambush(host, host.busy!)
        let done = now + disk.scale(20 * Span.microsecond, temper.diskMost) * (host.isSlow ? 50 : 1) + more
        queue.add(.disk(host: host.index, life: host.life), at: max(done, host.hungUntil))
    }

    /// Errors that a fault of this world explains.
    private func isExpected(_ error: StorageError, _ host: Host) -> Bool {
        switch error.kind {
        case .system(ENOSPC): host.files.capacity != nil
        case .system(EIO): host.syncFails
        default: false
        }
    }

    /// Entries below this are out of reach of the jobs' cuts.
    private func lowest(_ jobs: [DiskJob]) -> UInt64 {
        var lowest = UInt64.max
        for case .truncate(.durable, let number) in jobs { lowest = min(lowest, number.raw) }
        return lowest
    }

    /// What the journal says to be on the disk must be there, by the disk's own account.
    private func checkDisk(_ host: Host, saved: Bool) {
        guard let log = host.work?.durable, log.synced == log.end.number else { return }
        let open = "group-0/" + log.openName
        let loose = host.files.unsynced(in: "group-0", below: [open: log.openBytes]).filter { $0.hasSuffix(".log") }
        if !loose.isEmpty { checker.fail("\(host.id) says that \(log.synced.raw) entries are on its disk; not synced: \(loose.joined(separator: ", "))") }
        guard saved else { return }
        let name = Journal<MemoryDisk>.stateName
        let names = host.files.unsynced(in: "", below: [name: 0]).filter { $0.hasSuffix(name) }
        if host.files.isUnsynced(name, in: host.work!.stateBytes) || !names.isEmpty { checker.fail("\(host.id) says that its state is saved; it is not synced") }
    }

    /// Nothing of what a cut took back lies behind the log's end, where a recovery would take it for the log's.
    private func checkCut(_ host: Host) {
        if rot == nil, let log = host.work?.durable, let wrong = words.judge(end: log.end.offset, host.index) { checker.fail("\(host.id) \(wrong)") }
        guard let log = host.work?.durable, rot?.host != host.index, let last = entries(on: host).last?.entry.number, last >= log.end.number
        else { return }
        checker.fail("\(host.id)'s disk holds entry \(last.raw) behind the log's end at \(log.end.number.raw)")
    }

    func finishJobs(_ host: Host) {
        guard let jobs = host.busy else { return }
        var results: [DiskResult] = []
        host.told = min(host.told, lowest(jobs))
        do throws(StorageError) { try host.work!.work(jobs, into: &results) } catch {
            if isDamage(error) {
                host.isSpoilt = true
                host.busy = nil
                return tell(host, .disk(results + [.spoilt("\(error)")]))
            }
            guard isExpected(error, host) else { return checker.fail("\(host.id)'s disk: \(error)") }
            // `dbroker` ends; whoever looks after it starts it again.
            say("\(host.id) ends: \(error)")
            host.busy = nil
            return bring(down: host, power: temper.hasPowerCuts && disk.chance(30))
        }
        host.busy = nil
        host.peak = max(host.peak, host.work!.durable.synced.raw)
        // A cut may have come after the sync, in the same round of jobs.
        for case .synced(.durable, let end) in results { host.told = min(end.raw, host.work!.durable.end.number.raw) }
        var hasSaved = false
        for case .saved(let token) in results {
            hasSaved = true
            if case .promised(let ballot) = token { host.promised = ballot }
            if case .installed = token { continue }
            changing(host)
        }
        checkDisk(host, saved: hasSaved)
        for case .cleaned(_, _, let lines) in results { if let wrong = words.judge(goes: lines, host.index) { checker.fail("\(host.id) \(wrong)") } }
        noteCleaned(results, host)
        if lowest(jobs) < .max { checkCut(host) }
        if !results.isEmpty { tell(host, .disk(results)) }
        startJobs(host)
    }

    // MARK: one turn

    func turn(_ host: Host) {
        host.turnAt = .max
        let at = instant(host)
        let events = host.inbox
        host.inbox = []
        for event in events {
            handle(event, host, at)
            check(host)
        }
        offerStalled(host, at)
        if now >= host.nextTick {
            host.node!.tick(now: at, into: &host.out)
            connectPeers(host)
            host.nextTick = now + (host.node!.isLive ? 100 : 20) * Span.millisecond
        }
        for id in host.sessionOrder {
            guard let link = host.sessions[id], link.waiting.isEmpty else { continue }
            var space = max(0, temper.clientBytes - link.used)
            // Where nobody may miss anything for want of room there is as much as it seems.
            if workload.chance(5) {
                let less = workload.below(space + 1)
                if !temper.isNewsroom { space = less }
            }
            // What a session is handed lessens its room, and shows here as used.
            if link.toldUsed != link.used || link.toldSpace != space {
                host.node!.setSpace(id, space)
                (link.toldUsed, link.toldSpace) = (link.used, space)
            }
        }
        host.node!.finishTurn(now: at, into: &host.out)
        check(host)
        var index = 0
        while index < host.out.count, host.ending == nil, checker.violation == nil {
            perform(host.out[index], host, at)
            index += 1
            if let left = host.crashAfter {
                host.crashAfter = left - 1
                if left == 1 { return bring(down: host, power: host.crashesPower) }
            }
        }
        host.out = []
        passBlocksOn(host)
        check(host)
        if let why = host.ending { return begin(again: host, why) }
        startJobs(host)
        wake(host, after: host.nextTick - now)
    }

    private func handle(_ event: Host.Event, _ host: Host, _ at: Instant) {
        switch event {
        case .peerUp(let link): peerUp(host, link)
        case .peerDown(let link, let why):
            let peer = link.hosts[1 - link.end(of: host.index)]
            guard host.links[peer] === link else { return }
            host.retained.append(link.mirror[link.end(of: host.index)])
            host.links[peer] = nil
            host.node!.peerDown(hosts[peer].id, why: why, into: &host.out)
        case .message(let link, let kind, let bytes):
            let peer = link.hosts[1 - link.end(of: host.index)]
            guard host.links[peer] === link else { return }
            do throws(DecodeError) {
                try bytes.withView { view throws(DecodeError) in
                    if kind == .relay {
                        try host.node!.peerRelay(view, mirror: { mirror(of: $0, at: host) }, now: at, into: &host.out)
                    } else {
                        try host.node!.peerMessage(hosts[peer].id, kind, view, now: at, into: &host.out)
                    }
                }
            } catch { checker.fail("\(host.id) cannot understand \(kind) of \(hosts[peer].id): \(error)") }
        case .row(let link):
            link.isRowWaiting[link.end(of: host.index)] = false
            let peer = link.hosts[1 - link.end(of: host.index)]
            if host.links[peer] === link { giveRow(host, link, at) }
        case .sessionUp(let link):
            host.sessions[link.session] = link
            host.sessionOrder.append(link.session)
            host.node!.sessionUp(link.session, into: &host.out)
            host.node!.setSpace(link.session, temper.clientBytes)
        case .sessionDown(let link):
            guard host.sessions.removeValue(forKey: link.session) != nil else { return }
            host.sessionOrder.removeAll { $0 == link.session }
            if host.stalled.removeValue(forKey: link.session) != nil { host.stalledOrder.removeAll { $0 == link.session } }
            host.node!.sessionDown(link.session)
        case .sessionMessage(let link, let kind, let bytes):
            guard host.sessions[link.session] === link else { return }
            offer(host, link, kind, bytes, at)
        case .asked(let node): ask(host, toLetGo: node, at)
        case .disk(let results): for result in results { host.node!.diskDone(result, now: at, into: &host.out); check(host) }
        }
    }

    private func giveRow(_ host: Host, _ link: PeerLink, _ at: Instant) {
        let end = link.end(of: host.index)
        guard !link.row[end].isEmpty else { return }
        let id = hosts[link.hosts[1 - end]].id
        link.row[end].withView { host.node!.peerRow(id, $0, ring: link.mirror[end].view, now: at, into: &host.out) }
    }

    /// A message that the node does not take stays where it is, and those behind it too.
    private func offer(_ host: Host, _ link: ClientLink, _ kind: MessageKind, _ bytes: [UInt8], _ at: Instant) {
        guard host.stalled[link.session] == nil else {
            link.toNodeHeld.append((kind, bytes))
            return
        }
        do throws(DecodeError) {
            let taken = try bytes.withView { view throws(DecodeError) in
                try host.node!.sessionMessage(link.session, kind, view, now: at, into: &host.out)
            }
            guard !taken else { return }
            host.stalled[link.session] = (kind, bytes)
            host.stalledOrder.append(link.session)
        } catch { checker.fail("\(host.id) cannot understand a client's \(kind): \(error)") }
    }

    private func offerStalled(_ host: Host, _ at: Instant) {
        guard !host.stalled.isEmpty else { return }
        let order = host.stalledOrder
        host.stalledOrder = []
        for id in order {
            guard let message = host.stalled.removeValue(forKey: id), let link = host.sessions[id] else { continue }
            offer(host, link, message.kind, message.bytes, at)
            while host.stalled[id] == nil, let (kind, bytes) = link.toNodeHeld.popFirst() { offer(host, link, kind, bytes, at) }
        }
    }

    private func perform(_ directive: Directive, _ host: Host, _ at: Instant) {
        switch directive {
        case .peer(let id, let kind, let bytes):
            if kind == .promise { checkPromise(host, bytes) }
            if kind == .holding { words.says(bytes, host.index) }
            if kind == .excerpt || kind == .values || kind == .offsets { counts.asked += 1 }
            if let link = host.links[Int(id.raw) - 1] { send(link, from: host, .message(kind, bytes)) }
        case .session(let id, let kind, let head, let body, _):
            var bytes = head
            bytes.append(view: body)
            if let link = host.sessions[id] { toClient(link, kind, bytes) } else { answered(host, id, kind) }
        case .data(let id, let from, let to):
            guard let link = host.links[Int(id.raw) - 1] else { return }
            checkStretch(host, from, to)
            send(link, from: host, .data(from: from, to: to, network.chance(50) ? copy(host.ring, from, to) : nil))
        case .relay(let id, let block, let owner): if let link = host.links[Int(id.raw) - 1] { host.relays.append((link, block, owner)) }
        case .row:
            var bytes: [UInt8] = []
            let members = host.node!.encodeRow(into: &bytes)
            for member in members { if let link = host.links[Int(member.raw) - 1] { send(link, from: host, .row(bytes)) } }
        case .rereadRows:
            // What is let go is spoilt, so that a late reader shows.
            for memory in host.retained { memory.store.write([UInt8](repeating: 0xEE, count: memory.view.count)) }
            host.retained = []
            host.relays = []
            for member in host.node!.view.members { if let link = host.links[Int(member.raw) - 1] { giveRow(host, link, at) } }
        // The world's nodes have turns enough.
        case .wantsRoom: break
        case .disk(let job):
            note(job, of: host)
            if case .held = job { counts.filled += 1 }
            host.jobs.append(job)
        case .closeSession(let id, _): if let link = host.sessions[id] { closeAtNode(link) }
        case .log(let line):
            say("\(host.id): \(line)")
            // Nobody here breaks the protocol: who sees that has been sent what is wrong. But what a member writes to one that it goes on without
            // may be of its next view by the time it comes.
            let isLeftBehind = !temper.lags.isEmpty && hosts.contains { $0.view > host.view }
            if line.contains("protocol violation"), !isLeftBehind { checker.fail("\(host.id): \(line)") }
        case .restart(let why):
            host.ending = why
            host.isLeaving = host.node!.isLeaving
            host.mustVerify = host.node!.mustVerify
        case .left(let why):
            host.ending = "it left: \(why)"
            host.hasLeft = true
        }
    }

    func copy(_ ring: OwnedBytes, _ from: UInt64, _ to: UInt64) -> [UInt8] {
        let size = UInt64(ring.view.count)
        var bytes: [UInt8] = []
        var at = from
        while at < to {
            let part = min(to - at, size - at % size)
            bytes.append(view: ring.view[Int(at % size)..<Int(at % size + part)])
            at += part
        }
        return bytes
    }
}

extension ByteStore {
    fileprivate func write(_ bytes: [UInt8]) { bytes.withView { write($0, at: 0) } }
}
