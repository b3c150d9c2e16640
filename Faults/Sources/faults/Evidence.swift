import Foundation

/// What is kept of a failure: what the processes said, and the nodes' folders as they were.
struct Evidence {
    private let folder: String
    init(_ folder: String) { self.folder = folder }

    /// Where it has been put.
    func save(_ name: String, _ what: String, _ account: Account, _ cluster: Cluster, seed: UInt64) -> String {
        let place = "\(folder)/\(name)-\(seed)"
        var text = "\(name), seed \(seed): \(what)\n" + account.flaws.map { "  \($0)\n" }.joined()
        text += "acknowledged: \(cluster.acknowledged.sorted { $0.key < $1.key })\n"
        for node in cluster.nodes {
            text += "\nnode \(node.number), \(node.isRunning ? "running" : "ended \(node.child?.end.map { "\($0)" } ?? "")")\n"
            text += node.words.joined(separator: "\n") + "\n"
        }
        text += "\npublisher\n" + (cluster.publisher?.said ?? []).joined(separator: "\n")
        text += "\n\nreader that follows, \(cluster.follower?.history.records ?? 0) records\n" + (cluster.follower?.said ?? []).joined(separator: "\n") + "\n"
        let files = FileManager.default
        do {
            try files.createDirectory(atPath: place, withIntermediateDirectories: true)
            try text.write(toFile: place + "/account.txt", atomically: true, encoding: .utf8)
            for node in cluster.nodes {
                node.child?.send(SIGKILL)
                for source in ["\(cluster.folder)/data/\(node.number)", "\(cluster.folder)/disk\(node.number)/data"] where files.fileExists(atPath: source) {
                    try? files.removeItem(atPath: "\(place)/\(node.number)")
                    try files.copyItem(atPath: source, toPath: "\(place)/\(node.number)")
                }
                try? files.copyItem(atPath: "\(cluster.folder)/n\(node.number).yaml", toPath: "\(place)/n\(node.number).yaml")
            }
        } catch {
            return "\(place) (not all could be saved: \(error))"
        }
        return place
    }
}
