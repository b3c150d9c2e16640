import ArgumentParser
import Folding
import Glibc
import Tooling
import Topics
import Wire

/// Plans which topics share a group; no cluster is needed, and none is changed.
struct Fold: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        abstract: "Plan which topics share a group, and say what that costs.",
        discussion: """
            Folds many topics into few groups so that little goes to nodes that do
            not need it; docs/FOLDING.md says how. It plans, and changes nothing in any
            cluster.

            --topics FILE has a line for each topic: a table (CSV) whose first line
            names the columns, or JSON, one object a line:

            topic,bytes_per_second,records_per_second,nodes,replicas
            plant/m1/temperature,640,10,1 3 5-7,1 2

            {"topic":"plant/m1/temperature","bytes_per_second":640,
             "records_per_second":10,"nodes":[1,3,5],"replicas":[1,2]}

            The columns "nodes": where it has subscribers; "replicas" (may be left
            out): which must hold it besides. Nodes are numbered 1 to 64. Levels
            are those of topics.yaml.

            Without FILE: a made-up plant, the same for the same --synthetic, --nodes
            and --seed.

            dbroker fold --dry-run topics.yaml
            dbroker fold --dry-run topics.yaml --topics rates.csv --max-groups 8
            dbroker fold --dry-run --topics rates.csv --explain plant/m1/temperature
            """)
    @Argument(help: ArgumentHelp("topics.yaml. Default: every topic is durable.", valueName: "topics.yaml")) var rules: String?
    @Flag(name: .long, help: "Plan only; needed, for nothing else is done.") var dryRun = false
    @Option(name: .long, help: ArgumentHelp("Rates and interests, CSV or JSON lines.", valueName: "file")) var topics: String?
    @Option(name: .long, help: ArgumentHelp("Groups at most, 1 to 256.", valueName: "K")) var maxGroups = Limits.groups
    @Option(name: .long, help: ArgumentHelp("Groups that one node may be in. Default: any number.", valueName: "L")) var groupsPerNode: Int?
    @Option(name: .long, help: ArgumentHelp("Nodes, 1 to 64. Default: the highest that FILE names; 16 without FILE.", valueName: "N")) var nodes: Int?
    @Option(name: .long, help: ArgumentHelp("The highest level whose topics may go by unicast, or none.", valueName: "level"))
    var unicast = "unordered"
    @Option(name: .long, help: ArgumentHelp("What a byte costs where nobody needed it, 0 to 1000.", valueName: "W")) var unwantedWeight = 1
    @Option(name: .long, help: ArgumentHelp("What each further copy of a byte by unicast costs, 0 to 1000.", valueName: "W")) var copyWeight = 1
    @Option(name: .long, help: ArgumentHelp("Bytes that a record costs beside its contents.", valueName: "bytes")) var recordBytes = RecordHeader.shortSize
    @Option(name: .long, help: ArgumentHelp("Topics of the made-up plant. Default: 100000.", valueName: "count")) var synthetic: Int?
    @Option(name: .long, help: ArgumentHelp("Another made-up plant. Default: 1.", valueName: "number")) var seed: UInt64?
    @Option(name: .long, help: ArgumentHelp("Say why this topic is where it is.", valueName: "topic")) var explain: String?
    @Flag(name: [.customShort("J"), .long], help: "As JSON, with every topic's group.") var json = false

    func perform() throws(ToolFailure) -> ExitStatus {
        let options = try options()
        let rules = try self.rules.map { path throws(ToolFailure) in try readTopics(path) } ?? .standard
        let input = try input(rules)
        var asked: Int?
        if let explain {
            guard let id = input.names.lookup(explain) else { throw ToolFailure(.input, "--explain: \(input.source) has no topic \"\(explain)\"") }
            asked = id.index
        }
        let start = now()
        let plan: FoldPlan
        do throws(FoldError) { plan = try FoldPlan(input.demands, options) } catch { throw failure(error) }
        say("dbroker", "folded in \(Numbers.duration(now() - start))")
        let text: String
        if let asked {
            let reason = plan.reason(of: asked)
            text = json ? FoldJSON.reason(reason, of: explain ?? "") : FoldText.reason(reason, of: explain ?? "")
        } else {
            text = json ? FoldJSON.plan(plan, input) : FoldText.plan(plan, input)
        }
        _ = Descriptor.writeLine(text, to: 1)
        return .done
    }

    private func options() throws(ToolFailure) -> FoldOptions {
        guard dryRun else { throw .usage("fold needs --dry-run: it plans, and changes nothing in a cluster") }
        if topics != nil, synthetic != nil { throw .usage("--topics and --synthetic: only one of them") }
        if topics != nil, seed != nil { throw .usage("--seed goes with the made-up plant, not with --topics") }
        try check("--max-groups", maxGroups, 1...FoldLimits.groups)
        try check("--groups-per-node", groupsPerNode ?? 1, 1...FoldLimits.groups)
        try check("--nodes", nodes ?? 1, 1...FoldLimits.nodes)
        try check("--unwanted-weight", unwantedWeight, 0...FoldLimits.weight)
        try check("--copy-weight", copyWeight, 0...FoldLimits.weight)
        try check("--record-bytes", recordBytes, 0...FoldLimits.recordBytes)
        try check("--synthetic", synthetic ?? 1, 1...Self.mostTopics)
        var options = FoldOptions()
        options.maxGroups = maxGroups
        options.groupsPerNode = groupsPerNode ?? FoldLimits.groups
        options.unwantedWeight = unwantedWeight
        options.copyWeight = copyWeight
        options.recordBytes = recordBytes
        options.unicast = unicast == "none" ? nil : Level(named: unicast)
        if options.unicast == nil, unicast != "none" {
            throw .usage("--unicast: \"\(unicast)\" is not a level: none, unordered, ordered, durable or signed")
        }
        return options
    }
    private func check(_ option: String, _ value: Int, _ range: ClosedRange<Int>) throws(ToolFailure) {
        if !range.contains(value) { throw .usage("\(option): \(value) is not \(range.lowerBound) to \(Numbers.grouped(range.upperBound))") }
    }

    /// Topics of a made-up plant, and of a file: some gigabytes of memory.
    static let mostTopics = 4_000_000

    private func input(_ rules: TopicsConfiguration) throws(ToolFailure) -> FoldInput {
        if let topics { return try DemandFile.read(topics, rules, nodes: nodes) }
        let nodes = nodes ?? Limits.members
        let work = SyntheticWorkload(topics: synthetic ?? 100_000, nodes: nodes, seed: seed ?? 1) { rules.rule(for: $0)?.level }
        var input = FoldInput(source: "a made-up plant (seed \(seed ?? 1))", nodes: nodes)
        for (name, demand) in zip(work.names, work.demands) {
            do throws(TopicError) { _ = try input.add(TopicName(name), demand) } catch { throw ToolFailure(.failed, "\(name): \(error)") }
        }
        return input
    }

    private func failure(_ error: FoldError) -> ToolFailure {
        switch error {
        case .tooFewGroups(let max, let needed):
            ToolFailure(.usage, "--max-groups \(max): the topics are of \(needed) levels, and levels do not share a group")
        case .tooFewGroupsAtNode(let rank, let max, let needed):
            ToolFailure(.usage, "--groups-per-node \(max): node \(rank + 1) needs topics of \(needed) levels, and levels do not share a group")
        case .tooMuchLoad: ToolFailure(.input, "\(error)")
        }
    }

    private func now() -> Double {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// What is folded: topics by index, with their names.
struct FoldInput {
    /// For people: a file's name, or what was made up.
    let source: String
    var nodes: Int
    private(set) var names = TopicTable()
    private(set) var demands: [TopicDemand] = []

    init(source: String, nodes: Int) {
        self.source = source
        self.nodes = nodes
    }
    /// False: the name is there already.
    mutating func add(_ name: TopicName, _ demand: TopicDemand) throws(TopicError) -> Bool {
        guard try names.declare(name).index == demands.count else { return false }
        demands.append(demand)
        return true
    }
    func name(_ index: Int) -> String { names.name(of: TopicID(UInt32(index))) ?? "" }
}
