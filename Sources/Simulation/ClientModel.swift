internal import Wire

/// A client of the world, which talks to one node at a time.
protocol ClientModel: AnyObject {
    var client: Int { get }
    /// What messages call it.
    var kind: String { get }
    var link: ClientLink? { get }
    /// Its own clock has come round.
    func due(_ world: World)
    /// A message by its link.
    func take(_ kind: MessageKind, _ view: ByteView, _ link: ClientLink, _ world: World) throws(DecodeError)
    /// A link is gone.
    func lost(_ link: ClientLink, _ world: World)
}

extension ClientModel {
    func received(_ message: MessageKind, _ bytes: [UInt8], _ link: ClientLink, _ world: World) {
        guard link === self.link else { return }
        do throws(DecodeError) {
            try bytes.withView { view throws(DecodeError) in try take(message, view, link, world) }
        } catch { world.checker.fail("\(kind) \(client) cannot understand \(message): \(error)") }
    }
}
