/// The power cut: what had not been synced is lost, kept, or partly kept.
///
///     names      each unsynced create, rename or remove happened as a whole or not at all, whatever became of the others
///     bytes      each sector (`tear` bytes) has the first so many of the unsynced writes to it, whatever became of the others
///     size       as it stood after some number of the unsynced changes; a cut that happened took all its bytes along
extension MemoryDisk {
    private enum Mode: CaseIterable { case loseAll, keepAll, prefix, sectors, mostSectors }

    /// Cuts the power and starts again with what the disk kept. Open handles must not be used afterwards.
    package func crash(using random: inout some RandomNumberGenerator) {
        operationsUntilPowerCut = nil
        crashNames(using: &random)
        for node in names.values.sorted(by: { $0.id < $1.id }) { crashBytes(node, using: &random) }
    }

    private func crashNames(using random: inout some RandomNumberGenerator) {
        let chance = [0, 25, 50, 75, 100].randomElement(using: &random) ?? 50
        for change in nameChanges.reversed() {
            for name in change.names.reversed() { names[name.path] = name.before }
        }
        for change in nameChanges where Int.random(in: 0..<100, using: &random) < chance {
            for name in change.names { names[name.path] = name.after }
        }
        nameChanges.removeAll()
        // A directory that was lost takes along what is in it.
        for path in names.keys.sorted() {
            guard let slash = path.lastIndex(of: "/"), names[String(path[..<slash])] == nil else { continue }
            names[path] = nil
        }
    }

    private func crashBytes(_ node: Node, using random: inout some RandomNumberGenerator) {
        let changes = node.changes
        guard !changes.isEmpty else { return }
        node.changes.removeAll()
        let count = changes.count
        let mode = Mode.allCases.randomElement(using: &random) ?? .loseAll
        let cut = mode == .keepAll ? count : mode == .loseAll ? 0 : Int.random(in: 0...count, using: &random)
        let size = cut == 0 ? changes[0].sizeBefore : changes[cut - 1].sizeAfter

        let widest = changes.reduce(node.bytes.count) { max($0, $1.end) }
        var kept = [Int](repeating: cut, count: widest / tear + 1)
        if mode == .sectors || mode == .mostSectors {
            for i in kept.indices {
                let all = mode == .mostSectors && Int.random(in: 0..<10, using: &random) < 9
                kept[i] = all ? count : Int.random(in: 0...count, using: &random)
            }
        }
        // Back to what was durable, then forth again with what was kept.
        var bytes = node.bytes
        bytes.append(contentsOf: zeros(widest - bytes.count))
        for change in changes.reversed() {
            let had = change.start + change.old.count
            bytes.replaceSubrange(change.start..<had, with: change.old)
            bytes.replaceSubrange(had..<change.end, with: zeros(change.end - had))
        }
        for (i, change) in changes.enumerated() {
            if change.sizeAfter < change.sizeBefore {
                if i < cut { bytes.replaceSubrange(change.start..<change.end, with: zeros(change.end - change.start)) }
            } else if !change.new.isEmpty {
                keep(change, number: i, kept, &bytes)
            }
        }
        bytes.removeLast(max(0, bytes.count - size))
        bytes.append(contentsOf: zeros(max(0, size - bytes.count)))
        node.bytes = bytes
    }

    /// Writes change `number` in the sectors that kept it.
    private func keep(_ change: Change, number: Int, _ kept: [Int], _ bytes: inout [UInt8]) {
        var position = change.start
        while position < change.end {
            let sector = position / tear
            let end = min(change.end, (sector + 1) * tear)
            if kept[sector] > number {
                bytes.replaceSubrange(position..<end, with: change.new[position - change.start..<end - change.start])
            }
            position = end
        }
    }
}
