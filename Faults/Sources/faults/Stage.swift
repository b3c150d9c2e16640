import CFaults
import Foundation

/// What a fault builds its cluster from, in a folder of its own that goes with it.
final class Stage {
    let tools: Tools
    let folder: String
    let watch = Watch()
    var draw: Draw

    init(_ tools: Tools, folder: String, draw: Draw) throws(Trouble) {
        (self.tools, self.folder, self.draw) = (tools, folder, draw)
        do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
            throw .impossible("\(folder): \(error)")
        }
    }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Nodes with their data in plain folders, or each on a disk of its own, or in a network that can be cut.
    func cluster(_ count: Int, disks: [String] = [], isBridged: Bool = false, settings: String = "segment: 1MiB\n") throws(Trouble) -> Cluster {
        let ground = isBridged ? try Ground(bridged: count, watch) : try Ground(loopback: count, watch)
        let data = (1...count).map { disks.isEmpty ? "\(folder)/data/\($0)" : "\(disks[$0 - 1])/data" }
        return try Cluster(tools, ground, watch, folder: folder, data: data, settings: settings, draw: draw)
    }
    func disks(_ count: Int) throws(Trouble) -> [Ext4Disk] {
        var disks: [Ext4Disk] = []
        for number in 1...count { disks.append(try Ext4Disk("disk\(number)", in: folder, watch)) }
        return disks
    }
}

/// Something that happens to a cluster, over and over.
protocol Fault: AnyObject {
    var cluster: Cluster { get }
    /// Deals it once, or a few times; when it returns the nodes are on their way back. How many times.
    func cycle() throws(Trouble) -> Int
    /// Brings every node back, so that the logs can be read.
    func restore() throws(Trouble)
}

extension Fault {
    /// Starts what does not run and waits until all are live.
    func restore() throws(Trouble) {
        for node in cluster.nodes where !node.isRunning { try cluster.start(node) }
        try cluster.live()
    }
}
