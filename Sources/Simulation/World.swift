internal import Broker
internal import Journal
internal import Storage
internal import Topics
internal import Wire

/// Nodes, disks, links, clients and faults under one virtual clock; everything that happens follows from the seed.
final class World {
    let plan: Plan
    /// Faults that were not left out, by number.
    var struck: [Int] = []
    let temper: Temper
    var now: UInt64 = 1_000_000
    var queue = EventQueue()
    var hosts: [Host] = []
    var peerLinks: [Int: PeerLink] = [:]
    var clientLinks: [Int: ClientLink] = [:]
    var nextLink = 1
    var publishers: [PublisherModel] = []
    var subscribers: [SubscriberModel] = []
    var stores: [StoreModel] = []
    var consumers: [ConsumerModel] = []
    /// Those of unordered topics, publishers first.
    var newsClients: [ClientModel] = []
    var news: NewsChecker
    var checker = Checker()
    var words = WordChecker()
    var groups = GroupChecker()
    var store = StoreChecker()
    var clean: CleanChecker
    var network: SplitMix64
    var disk: SplitMix64
    var faults: SplitMix64
    var workload: SplitMix64
    var clocks: SplitMix64
    var losses: SplitMix64
    /// [from][to]: nothing passes.
    var blocked: [[Bool]]
    var partitions = 0
    var rot: Rot?
    /// Nothing fails any more, and then: nobody begins anything new.
    var isMended = false
    var isHealing = false
    /// Until then no other fault takes the place of one that was set on a view change.
    var ambushedUntil: UInt64 = 0
    var duel: Duel?
    var digest: UInt64 = 0
    var counts = Report.Counts()
    /// Where what anyone has delivered ends, whoever is down by now.
    var deliveredPeak: UInt64 = 0
    /// Turns after which a node was checked.
    var checks = 0
    let topics: TopicsConfiguration
    let trace: ((String) -> Void)?
    static let epoch: UInt64 = 1_700_000_000_000_000_000

    init(_ plan: Plan, trace: ((String) -> Void)?) {
        self.plan = plan
        let seed = plan.seed
        self.trace = trace
        temper = Temper(seed: seed, kind: plan.kind)
        news = NewsChecker(isNewsroom: temper.isNewsroom)
        network = SplitMix64(seed: seed, .network)
        disk = SplitMix64(seed: seed, .disk)
        faults = SplitMix64(seed: seed, .faults)
        workload = SplitMix64(seed: seed, .workload)
        clocks = SplitMix64(seed: seed, .clocks)
        losses = SplitMix64(seed: seed &+ 1, .newDisk)
        topics = Self.topics(temper.keeping, deadline: temper.announces ? 100 * Span.millisecond : nil)
        let count = temper.nodes
        clean = CleanChecker(temper.keeping, removesStay: temper.removesStay, hosts: count)
        blocked = Array(repeating: Array(repeating: false, count: count), count: count)
        hosts = (0..<count).map { Host(index: $0, count: count) }
        for host in hosts {
            host.files.tear = temper.tear
            host.isSlow = temper.parting?.slowDisk == host.index
            host.wallOffset = Int64(clocks.below(20_000)) * 1_000_000 - 10_000_000_000
            queue.add(.boot(host: host.index), at: now + network.scale(1, (temper.isDuel ? 5 : 100) * Span.millisecond))
        }
        for index in 0..<temper.publishers {
            let topics = (0...workload.below(3)).map { "t\($0)/\(index % 2)" }
            publishers.append(PublisherModel(client: index, topics: topics + (temper.slips > 0 ? [Self.narrow] : []), slips: temper.slips))
        }
        var interests = SplitMix64(seed: seed, .interests)
        for index in 0..<temper.subscribers {
            let pattern = index == 0 || workload.chance(40) ? "#" : workload.pick(["t0/#", "+/1", "t1/0"])
            // The first takes everything: what it sees is what the others are held against.
            let wanted = index == 0 ? .everything : Wanted(first: pattern, &interests)
            subscribers.append(SubscriberModel(client: temper.publishers + index, wanted: wanted))
        }
        for index in 0..<temper.stores { stores.append(StoreModel(client: publishers.count + subscribers.count + index, seed: seed)) }
        for (index, group) in temper.consumers.enumerated() {
            consumers.append(ConsumerModel(client: publishers.count + subscribers.count + stores.count + index, group: group, seed: seed))
        }
        for index in 0..<temper.news.publishers + temper.news.subscribers {
            let client = publishers.count + subscribers.count + stores.count + consumers.count + index
            newsClients.append(index < temper.news.publishers ? NewsPublisher(client: client, seed: seed, news: news) : NewsSubscriber(client: client, seed: seed))
        }
        for client in 0..<temper.publishers + temper.subscribers + temper.stores + temper.consumers.count + newsClients.count { queue.add(.client(client), at: now + beginning(of: client)) }
        if temper.faultGap > 0 { queue.add(.fault, at: now + temper.firstFault) }
    }

    /// Where some nodes keep some topics only, most subscribers come late, for what was.
    private func beginning(of client: Int) -> UInt64 {
        let isLate = temper.isParted && client > temper.publishers && client < temper.publishers + temper.subscribers
        return isLate ? UInt64(workload.below(1_500)) * Span.millisecond : 50 * Span.millisecond
    }

    private static let narrow = "narrow"

    private static func topics(_ rules: [CleanChecker.Rule], deadline: UInt64?) -> TopicsConfiguration {
        let rules = rules.map { rule in
            let pattern: TopicPattern
            do { pattern = try TopicPattern(rule.prefix + "#") } catch { preconditionFailure("\(rule.prefix): \(error)") }
            return TopicRule(
                pattern: pattern, level: .durable,
                keeping: Keeping(time: rule.time, bytes: rule.bytes, records: rule.records, compact: rule.compact), deadline: deadline,
                replicas: rule.replicas)
        }
        let news = TopicRule(pattern: try? TopicPattern("u/#"), level: .unordered)
        // No publisher's record is as short.
        let none = TopicRule(pattern: try? TopicPattern(Self.narrow), level: .durable, maxRecord: RecordHeader.shortSize + 8)
        return TopicsConfiguration(rules: rules + [news, none], defaults: TopicRule(pattern: nil, level: .durable, deadline: deadline), admit: .all)
    }

    func say(_ line: @autoclosure () -> String) {
        if let trace { trace("\(Double(now / 1000) / 1000) ms  \(line())") }
    }
    func note(_ value: UInt64) { digest = mix(digest ^ value) }
    func relieve(_ host: Host) {
        host.files.capacity = nil
        host.isSlow = false
    }

    // MARK: running

    func run() -> Report {
        var left = temper.isDuel ? plan.steps * 2 : temper.isParted ? plan.steps * 3 / 2 : temper.isNewsroom ? plan.steps / 4 : plan.steps
        say("\(hosts.count) nodes, faults \(temper.faults)\(temper.isDuel ? ", leaders in duels" : "")\(temper.isNewsroom ? ", a newsroom" : "")")
        // What was set on a view change is seen through, for as many events again at most.
        while left > 0 || now < ambushedUntil && left > -plan.steps, checker.violation == nil, let (time, event) = queue.next() {
            now = time
            happen(event)
            left -= 1
        }
        if checker.violation == nil, !plan.isUnlimited { heal() }
        note(UInt64(checker.recordCount))
        counts.records = checker.recordCount
        counts.views = checker.viewCount
        counts.stored = store.count
        counts.conflicts = store.conflicts
        counts.repeated = groups.repeats
        counts.virtual = now
        counts.acknowledged = Int(checker.acknowledged.values.reduce(0, +))
        return Report(seed: plan.seed, digest: digest, counts: counts, violation: checker.violation, struck: struck)
    }

    private func heal() {
        say("healing")
        isMended = true
        isHealing = temper.hungDisk == nil
        startRotten()
        for from in hosts.indices { for to in hosts.indices { blocked[from][to] = false } }
        releaseHeld()
        for host in hosts {
            host.stalledUntil = 0
            relieve(host)
            host.files.syncsUntilError = nil
            host.crashAfter = nil
            if !host.isRunning { queue.add(.boot(host: host.index), at: now + 1) } else { wake(host, after: 1) }
        }
        if let hung = temper.hungDisk { hang(hosts[hung]) }
        isHealing = true
        level()
        if checker.violation == nil, !newsClients.isEmpty {
            calm()
            // The cluster, and members of groups, may have said something meanwhile.
            level()
        }
        guard checker.violation == nil else { return }
        comparePublishers()
        if temper.cleans { for host in hosts { checkCleaned(host) } } else { compareLogs() }
        fillFromWhatWasWritten()
        checker.finish()
        let gone = mayBeGone()
        for subscriber in subscribers where checker.violation == nil { subscriber.finish(&checker, gone: gone) }
        guard checker.violation == nil else { return }
        let times = checker.history.map { $0?.time ?? 0 }
        if let wrong = store.finishTails(topics: checker.history.map { $0?.topic }, gone: gone) { return checker.fail(wrong) }
        if let wrong = store.finish(end: UInt64(checker.history.count), gone: gone) ?? store.finishCuts(times: times, gone: gone) { checker.fail(wrong) }
    }

    /// The disk of one node answers nothing while clients publish on: the others must go on without it.
    private func hang(_ host: Host) {
        // One that copies more slowly than clients publish may never come level while they do.
        pass(until: now + 2 * Span.second) { self.isWhole }
        guard isWhole, checker.violation == nil else { return }
        say("\(host.id)'s disk answers nothing")
        host.hungUntil = now + 2 * temper.holdUp + 20 * Span.second
        pass(until: host.hungUntil - Span.second) { self.hosts.contains { $0 !== host && $0.node?.isLive == true && $0.node!.view.rank(of: host.id) == nil } }
        if checker.violation == nil, now >= host.hungUntil - Span.second {
            checker.fail("\(host.id)'s disk has answered nothing for \((2 * temper.holdUp + 19 * Span.second) / Span.millisecond) ms, and no view has begun without it; \(publishers.map(\.description)), \(hosts.map { $0.node?.stand(of: .durable) ?? "down" })")
        }
    }

    /// Until nothing is left to be done.
    private func level() {
        let limit = now + 120 * Span.second
        var check = now
        var events = 0
        while checker.violation == nil, let (time, event) = queue.next() {
            now = time
            happen(event)
            events += 1
            guard now >= check else { continue }
            check = now + 60 * Span.millisecond
            let missing = unsettled
            if missing.isEmpty { break }
            if now > limit || events > 3_000_000 { checker.fail("not level \(events > 3_000_000 ? "after 3,000,000 events" : "after 120 s") of quiet: \(missing.joined(separator: "; "))") }
        }
    }

    /// While nothing fails: what unordered topics promise then.
    private func calm() {
        news.phase = .calm
        pass(until: now + (temper.isNewsroom ? 250 : 100) * Span.millisecond)
        news.phase = .over
        let limit = now + 10 * Span.second
        var missing: String?
        repeat {
            pass(until: now + 30 * Span.millisecond)
            missing = news.missing { client in model(client).link.flatMap { hosts[$0.host].node?.view.number.raw } }
        } while missing != nil && now < limit && checker.violation == nil
        if checker.violation == nil, let missing { checker.fail(missing) }
    }
    private func pass(until end: UInt64, or isEnough: () -> Bool = { false }) {
        var check = now
        while now < end, checker.violation == nil, let (time, event) = queue.next() {
            now = time
            happen(event)
            guard now >= check else { continue }
            check = now + 60 * Span.millisecond
            if isEnough() { return }
        }
    }

    /// Whoever is at the same end of the log judges a publisher's next batch alike, whatever was cleaned and copied before.
    private func comparePublishers() {
        var first: (host: Host, end: LogEnd, digest: UInt64)?
        for host in hosts where host.node?.isLive ?? false {
            let (end, digest) = (host.node!.end(of: .durable), host.node!.publishers(of: .durable))
            if let first, first.end == end, first.digest != digest {
                checker.fail("\(host.id) and \(first.host.id) have other publishers at the log's end, \(end.number.raw)")
            }
            if first == nil { first = (host, end, digest) }
        }
    }

    private func lacking(_ host: Host, _ node: Node, _ missing: inout [String]) {
        guard node.isLive else { return missing.append("\(host.id) is not live: \(node.report("status"))") }
        if node.view.members.count != hosts.count { missing.append("\(host.id) is in \(node.view)") }
        // A look for what may go comes again and again.
        let isBusy = host.busy.map { ($0 + host.jobs).contains { if case .clean = $0 { false } else { true } } } ?? false
        if isBusy || host.work!.durable.end.number != node.end(of: .durable).number { missing.append("\(host.id)'s disk is behind") }
        if node.isLacking { missing.append("\(host.id) lacks records that it is to hold: \(node.holdingsText)") }
        if node.delivered(in: .durable) != node.end(of: .durable) { missing.append("\(host.id) has not delivered all: \(node.stand(of: .durable))") }
    }

    /// What keeps the world from being level.
    private var unsettled: [String] {
        var missing: [String] = []
        if let rot, !isMended(rot) { missing.append("\(hosts[rot.host].id) has \(rot.what) still") }
        let views = Set(hosts.map { host in host.node.map { $0.isLive ? Int($0.view.number.raw) : -1 } ?? -1 })
        for host in hosts {
            guard host.node != nil else { missing.append("\(host.id) is down"); continue }
            if let node = host.node { lacking(host, node, &missing) }
        }
        if views.count > 1 { missing.append("views \(views.sorted())") }
        let ends = hosts.map { host in host.node?.end(of: .durable) }
        for (host, end) in zip(hosts, ends) where end != ends[0] {
            missing.append("\(host.id)'s log ends elsewhere than \(hosts[0].id)'s: \(String(describing: end)), not \(String(describing: ends[0]))")
        }
        for publisher in publishers where !publisher.isSettled { missing.append("publisher \(publisher.client) waits: \(publisher.description)") }
        for store in stores where !store.isSettled(self) { missing.append("store client \(store.client) waits: \(store.description)") }
        guard missing.isEmpty else { return missing }
        let end = hosts.compactMap { host in host.node?.delivered(in: .durable)?.offset.raw }.max() ?? 0
        for subscriber in subscribers where !subscriber.isLevel(with: end, self) { missing.append("subscriber \(subscriber.client) is at \(subscriber.next ?? 0) of \(end)") }
        if temper.isParted, !missing.isEmpty { missing += hosts.map { "\($0.id): \($0.node?.holdingsText ?? "")" } }
        let history = checker.history.map { $0?.topic }
        for group in Set(temper.consumers).sorted() {
            let name = ConsumerPlan.all[group].name
            var open = groups.open(group, history)
            if temper.cleans, !open.isEmpty {
                let gone = mayBeGone()
                open.removeAll { gone.contains($0) }
            }
            let members = consumers.filter { $0.group == group }.map { "\($0.client): \($0.description)" }
            if !open.isEmpty { missing.append("group \(name) has not done with \(open.count) records, from \(open[0]) on; members \(members)") }
            for host in hosts {
                let places = host.node?.consumers(in: name)?.places ?? []
                if places.contains(where: { $0 != end }) || places.isEmpty { missing.append("group \(name) at \(host.id) is at \(places.min() ?? 0) of \(end); members \(members)") }
            }
        }
        return missing
    }

    private func compareLogs() {
        let end = hosts[0].node!.end(of: .durable)
        var logs: [[UInt8]] = []
        for host in hosts {
            guard host.node!.end(of: .durable) == end else { return checker.fail("\(host.id)'s log ends elsewhere than \(hosts[0].id)'s") }
            var bytes: [UInt8] = []
            do throws(StorageError) {
                var states: [UInt8] = []
                var next = host.work!.durable.first
                while next < host.work!.durable.end.number {
                    bytes = []
                    next = try host.work!.durable.read(from: next, maximumBytes: 1 << 20, into: &bytes).next
                    var at = 0
                    while at < bytes.count, let header = bytes.withView({ try? EntryHeader($0.from(at)) }) {
                        states.append(int: header.chain)
                        states.append(contentsOf: bytes[at + EntryHeader.size..<at + header.length])
                        at += header.length
                    }
                }
                logs.append(states)
            } catch { return checker.fail("\(host.id)'s log does not read back: \(error)") }
        }
        for index in logs.indices where logs[index] != logs[0] {
            let at = zip(logs[index], logs[0]).enumerated().first { $1.0 != $1.1 }?.offset ?? -1
            checker.fail("\(hosts[index].id)'s log differs from \(hosts[0].id)'s at byte \(at) of \(logs[index].count), \(logs[0].count); they begin at \(hosts[index].work!.durable.first.raw), \(hosts[0].work!.durable.first.raw)")
        }
    }

    /// Who bears the number `client`.
    func model(_ client: Int) -> ClientModel {
        if client < publishers.count { return publishers[client] }
        var index = client - publishers.count
        if index < subscribers.count { return subscribers[index] }
        index -= subscribers.count
        if index < stores.count { return stores[index] }
        index -= stores.count
        return index < consumers.count ? consumers[index] : newsClients[index - consumers.count]
    }

    private func happen(_ event: EventQueue.Event) {
        note(now)
        counts.events += 1
        switch event {
        case .turn(let index, let life):
            let host = hosts[index]
            guard host.isRunning, host.life == life, host.turnAt == now else { return }
            turn(host)
        case .disk(let index, let life):
            if hosts[index].isRunning, hosts[index].life == life { finishJobs(hosts[index]) }
        case .boot(let index): boot(hosts[index])
        case .arrive(let link, let end): if let link = peerLinks[link] { arrive(link, end) }
        case .linkDown(let link, let end, let isCut): if let link = peerLinks[link] { linkDown(link, end, isCut ? "cut" : "the other end closed") }
        case .silence(let link, let end): if let link = peerLinks[link] { silence(link, end) }
        case .connect(let host, let life, let peer): connect(hosts[host], life, hosts[peer])
        case .clientArrive(let link, let toNode):
            if let link = clientLinks[link] { if toNode { arriveAtNode(link) } else { arriveAtClient(link) } }
        case .clientDown(let link, let atNode): if let link = clientLinks[link] { if atNode { downAtNode(link) } else { downAtClient(link) } }
        case .client(let client): model(client).due(self)
        case .heal(let partition): if partition == partitions { unblock() }
        case .fault: fault()
        case .strike(let near):
            guard now >= ambushedUntil else { return }
            counts.faults += 1
            strike(counts.faults, near: hosts[near])
        case .fall(let index, let life): fall(hosts[index], life)
        case .loss(let index): bringAllDown(losing: hosts[index])
        case .relief(let index): relieve(hosts[index])
        }
    }
}
