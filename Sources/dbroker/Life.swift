import Broker
import CSystem
import Glibc
import Journal
import Storage
import Tooling
import Topics
import Transport
import Wire

/// A node from its configuration to its end: one life after another until a signal, each begun from the disk.
struct Life {
    let configuration: NodeConfiguration
    /// What the topics file says.
    let declared: TopicsConfiguration
    let secret: [UInt8]
    /// As `NodeSettings.acceptsLoss`.
    let acceptsLoss: Bool
    /// What holds: of a signed log nothing is cleaned.
    private var topics: TopicsConfiguration { declared.signs ? declared.keepingAll : declared }

    init(configuration: NodeConfiguration, declared: TopicsConfiguration, secret: [UInt8], acceptsLoss: Bool) {
        (self.configuration, self.declared, self.secret, self.acceptsLoss) = (configuration, declared, secret, acceptsLoss)
    }

    func run() throws(ToolFailure) -> ExitStatus {
        let stop = Signals.install()
        raiseFileLimit()
        // Before the first thread, which all others take it over from.
        try configuration.cpus?.hold()
        try makeDirectory(configuration.data)
        let disk: RealDisk
        do throws(StorageError) { disk = try RealDisk(root: configuration.data) } catch {
            throw ToolFailure(.disk, "\(error)")
        }
        let signer = try signer(disk)
        if acceptsLoss { Console.say("\(configuration.node): takes part even on a new disk, this time (--accept-loss): what only disks that are away hold may be lost") }
        var carried = Carried()
        while true {
            switch try one(disk, signer, stop, &carried) {
            case .stopped:
                Console.say("\(configuration.node): stopped")
                return .done
            case .left(let why):
                Console.say("\(configuration.node): left: \(why); start it again to take it back in")
                return .done
            case .disk(let why): throw ToolFailure(.disk, why)
            case .again: continue
            }
        }
    }

    /// Each client is a socket: as many as the system allows this process; setrlimit(2).
    private func raiseFileLimit() {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// mkdir(2), with the directories above it.
    private func makeDirectory(_ path: String) throws(ToolFailure) {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += made.isEmpty || made == "/" ? String(part) : "/" + part
            guard unsafe mkdir(made, 0o755) == 0 || errno == EEXIST else {
                throw ToolFailure(.disk, "\(made): the directory cannot be made: \(SystemFault("mkdir", errno).reason); choose another data directory")
            }
        }
    }

    /// The node's own key, where topics are signed; a line says its public half.
    private func signer(_ disk: RealDisk) throws(ToolFailure) -> Signer? {
        guard declared.signs else { return nil }
        do throws(StorageError) {
            let (signer, isNew) = try Signer.open(disk, node: configuration.node, cluster: configuration.cluster)
            Console.say("\(configuration.node): signs its log with the key \(signer.publicKey)\(isNew ? ", made just now" : "")")
            if declared.cleans { Console.say("\(configuration.node): the log is signed: retention, compact and history of durable topics are left alone, and all is kept") }
            return signer
        } catch { throw ToolFailure(.disk, "\(error)") }
    }

    private func one(_ disk: RealDisk, _ signer: Signer?, _ stop: Int32, _ carried: inout Carried) throws(ToolFailure) -> Ending {
        let opened: Journal<RealDisk>.Opened
        let thread: DiskThread
        do throws(StorageError) {
            opened = try open(disk, signer, verifies: carried.mustVerify)
            thread = try DiskThread(opened.journal)
        } catch { throw ToolFailure(.disk, "\(error)") }
        var options = TransportOptions(
            cluster: configuration.cluster, secret: secret,
            identity: .node(configuration.node, opened.state.incarnation))
        options.provider = configuration.provider
        options.listen = (configuration.listen.host, configuration.listen.port)
        options.dataRing = configuration.ring
        options.rowBytes = Limits.row
        options.heartbeat = nanoseconds(configuration.heartbeat)
        options.deadline = nanoseconds(configuration.suspectAfter)
        options.maximumLinks = Limits.sessions
        let transport: Transport
        let serve: Serve
        do throws(TransportError) {
            transport = try Transport(options)
            serve = try Serve(
                configuration, transport: transport, disk: thread, settings: settings(signer), state: opened.state,
                states: opened.states, holes: opened.holes, holdings: opened.holdings, agreed: opened.agreed, isLeaving: carried.isLeaving, stop: stop)
        } catch {
            throw ToolFailure(.failed, "\(configuration.listen): \(error)")
        }
        thread.start()
        Console.say(
            "\(configuration.node): life \(opened.state.incarnation.raw) of cluster \(configuration.cluster), listening on \(configuration.listen) (\(transport.providerName)), "
                + "\(opened.states[0].end.offset.raw) records on disk, \(opened.state.installed)")
        let ending = serve.run()
        thread.stop()
        carried = serve.carried
        return ending
    }

    private func open(_ disk: RealDisk, _ signer: Signer?, verifies: Bool) throws(StorageError) -> Journal<RealDisk>.Opened {
        var options = LogOptions()
        options.segmentBytes = configuration.segment
        let opened = try Journal<RealDisk>.open(
            disk, members: configuration.members.map(\.node), options: options, verifies: verifies, topics: topics, signer: signer)
        report(opened.recovery)
        for hole in opened.holes { Console.say("\(configuration.node): damage: \(hole)") }
        return opened
    }

    private func report(_ recovery: Recovery) {
        if let torn = recovery.torn {
            Console.say("\(configuration.node): cut a torn tail of \(torn.bytes) bytes at \(torn.segment):\(torn.position)")
        }
        for lost in recovery.lost { Console.say("\(configuration.node): \(lost) did not read back; going on without it") }
    }

    private func settings(_ signer: Signer?) -> NodeSettings {
        var settings = NodeSettings(
            node: configuration.node, cluster: configuration.cluster,
            members: configuration.members.map { ($0.node, $0.address.description) }, topics: topics,
            segmentBytes: configuration.segment)
        settings.scrubBytes = 2 << 20
        settings.restartWait = nanoseconds(configuration.restartWait)
        settings.copyRate = configuration.copyRate
        settings.acceptsLoss = acceptsLoss
        settings.consumerGrace = nanoseconds(configuration.suspectAfter)
        settings.cleanRate = configuration.cleanRate
        settings.fillAfter = nanoseconds(configuration.refillAfter)
        settings.mostGroups = configuration.maxGroups
        // Without a rule there is nothing to clean: only what `status` says of the log is brought up to date.
        if !topics.cleans { settings.cleanRest = 5_000_000_000 }
        settings.announces = true
        settings.signingKey = signer?.publicKey.description
        return settings
    }

    private func nanoseconds(_ duration: Duration) -> UInt64 {
        UInt64(duration.components.seconds) * 1_000_000_000 + UInt64(duration.components.attoseconds / 1_000_000_000)
    }
}

/// SIGINT and SIGTERM as a readable file.
enum Signals {
    /// An eventfd(2) that becomes readable with the first signal; the second one ends the process.
    static func install() -> Int32 {
        guard let event = EventFile(blocks: false) else { preconditionFailure("no eventfd: errno \(errno)") }
        unsafe signalFile = event
        var action = sigaction()
        unsafe action.__sigaction_handler.sa_handler = { _ in
            if unsafe signalled { _exit(1) }
            unsafe signalled = true
            unsafe signalFile?.signal()
        }
        unsafe sigaction(SIGINT, &action, nil)
        unsafe sigaction(SIGTERM, &action, nil)
        return event.file
    }
}
// Written before the handler is installed, and by the handler.
nonisolated(unsafe) private var signalFile: EventFile?
nonisolated(unsafe) private var signalled = false
