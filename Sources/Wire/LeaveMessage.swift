/// One member to another: this node is to leave the view: `| node u16 |`.
package struct LeaveOrder: Equatable, Sendable {
    package var node: NodeID
    package init(node: NodeID) { self.node = node }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: node.raw)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "leave")
        node = NodeID(try decoder.int())
        try decoder.end()
    }
}

/// An operator asks any member that a node leave the cluster for now: `| request u32 | node u16 |`. Asked again it changes nothing.
package struct ReleaseRequest: Equatable, Sendable {
    package var request: UInt32
    package var node: NodeID
    package init(request: UInt32, node: NodeID) {
        self.request = request
        self.node = node
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: node.raw)
        return bytes
    }
    package init(_ view: ByteView) throws(DecodeError) {
        var decoder = Decoder(view, "release")
        request = try decoder.int()
        node = NodeID(try decoder.int())
        try decoder.end()
    }
}

/// The node has gone; the view that goes on: `| request u32 | node u16 | view u64 | members u32 × u16 |`.
package struct ReleaseAnswer: Equatable, Sendable {
    package var request: UInt32
    package var node: NodeID
    package var view: View
    package init(request: UInt32, node: NodeID, view: View) {
        self.request = request
        self.node = node
        self.view = view
    }
    package func encode() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(int: request)
        bytes.append(int: node.raw)
        view.encode(into: &bytes)
        return bytes
    }
    package init(_ bytes: ByteView) throws(DecodeError) {
        var decoder = Decoder(bytes, "released")
        request = try decoder.int()
        node = NodeID(try decoder.int())
        view = try View(&decoder)
        try decoder.end()
    }
}
