internal import Client
internal import Tooling
internal import Wire

/// The values of topics at one time, printed like the records that they are.
struct Snapshot {
    private let plan: WatchPlan

    init(_ plan: WatchPlan) { self.plan = plan }

    func run(_ options: ClientOptions, at time: UInt64) throws(ToolFailure) -> ExitStatus {
        var values: [StoreValue] = []
        do throws(ClientError) {
            let store = try TopicStore(options)
            defer { store.close() }
            _ = try store.list(plan.subscription.patterns, excluding: plan.subscription.excluded, asOf: time) { values.append($0) }
        } catch { throw ToolFailure(status: error.exitStatus, error.description) }
        var printer = Printer(
            plan.output, showsTopic: plan.showsTopic, field: plan.field, width: plan.width, colours: Terminal.wantsColour(1))
        var left = plan.count ?? .max
        // In the order of the log, as a subscription would show them.
        for value in values.sorted(by: { $0.version < $1.version }) where left > 0 {
            let isShown = value.show { printer.append(Printable($0)) }
            if isShown { left -= 1 }
        }
        do throws(WriteFault) { try Descriptor.write(printer.output.view, to: 1) } catch {
            if case .failed(let fault) = error { throw ToolFailure(.failed, "standard output: \(fault.reason)") }
        }
        return .done
    }
}
