/// The power cut: what had not been synced is lost, kept, or partly kept.
///
///     names      each unsynced create, rename or remove happened as a whole or not at all, whatever became of the others
///     bytes      each sector stands as it stood after some number of the unsynced changes, whatever became of the others
///     size       as it stood after some number of the unsynced changes
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
        if node.bytes.count < widest { node.bytes.append(contentsOf: repeatElement(0, count: widest - node.bytes.count)) }
        var kept = [Int](repeating: cut, count: widest / Self.sector + 1)
        if mode == .sectors || mode == .mostSectors {
            for i in kept.indices {
                let all = mode == .mostSectors && Int.random(in: 0..<10, using: &random) < 9
                kept[i] = all ? count : Int.random(in: 0...count, using: &random)
            }
        }
        for (i, change) in changes.enumerated().reversed() { undo(change, number: i, node, kept) }
        if node.bytes.count > size {
            node.bytes.removeLast(node.bytes.count - size)
        } else {
            node.bytes.append(contentsOf: repeatElement(0, count: size - node.bytes.count))
        }
    }

    /// Takes change `number` back in the sectors that kept no more than `number` changes.
    private func undo(_ change: Change, number: Int, _ node: Node, _ kept: [Int]) {
        var position = change.start
        while position < change.end {
            let sector = position / Self.sector
            let end = min(change.end, (sector + 1) * Self.sector)
            if kept[sector] <= number {
                for i in position..<end {
                    let old = i - change.start
                    node.bytes[i] = old < change.old.count ? change.old[old] : 0
                }
            }
            position = end
        }
    }
}
