internal import Wire

/// Topics that a filter or range matches, by searches in the order of names: the time grows with what matches, and for
/// each `+` with the levels that stand in its place.
///
///     plant/+/speed     to "plant/" ─▶ plant/m1/… ─▶ is there plant/m1/speed? ─▶ behind plant/m1/ ─▶ plant/m2/… ─▶ …
struct TopicQuery {
    private let order: TopicOrder
    private let run: TopicNameRun

    init(_ order: TopicOrder, _ run: TopicNameRun) {
        self.order = order
        self.run = run
    }

    /// Calls `report` with each topic that `pattern`, no exact one, matches, in the order of names.
    func search(_ pattern: TopicPattern, _ report: (UInt32) -> Void) {
        pattern.bytes.withView { text in
            if pattern.kind == .range {
                for interval in pattern.keyIntervals { all(from: interval.low, to: interval.high, text, report) }
            } else {
                walk([], text, report)
            }
        }
    }

    private func all(from low: KeyBound, to high: KeyBound, _ text: ByteView, _ report: (UInt32) -> Void) {
        var place = order.place(of: low, text, run)
        while let id = order[place], run.with(id, { KeyBound(name: $0).compare($0, high, text) < 0 }) {
            report(id)
            place = order.after(place)
        }
    }

    /// Names that begin with `prefix`, which is whole levels and a slash, or nothing, and go on as `rest` says.
    private func walk(_ prefix: [UInt8], _ rest: ByteView, _ report: (UInt32) -> Void) {
        // Up to the next wildcard.
        var at = 0
        while at < rest.count, rest.u8(at) != TopicText.plus, rest.u8(at) != TopicText.hash { at += 1 }
        var fixed = prefix
        fixed.append(view: rest[0..<at])
        if at == rest.count {
            exactly(fixed, report)
        } else if rest.u8(at) == TopicText.hash {
            below(fixed, report)
        } else {
            levels(fixed, rest.from(at + 1), report)
        }
    }

    private func exactly(_ name: [UInt8], _ report: (UInt32) -> Void) {
        name.withView { view in
            let place = order.place(of: KeyBound(name: view), view, run)
            if let id = order[place], run.with(id, { $0 == view }) { report(id) }
        }
    }

    /// All below `fixed`, which ends with a slash or is empty; and what stands before the slash.
    private func below(_ fixed: [UInt8], _ report: (UInt32) -> Void) {
        fixed.withView { view in
            guard !fixed.isEmpty else {
                all(from: KeyBound(0..<0), to: .dollar, view, report)
                return all(from: .pastDollar, to: .end, view, report)
            }
            exactly(Array(fixed.dropLast()), report)
            all(from: KeyBound(0..<fixed.count), to: Self.past(fixed.count), view, report)
        }
    }

    /// Behind all that begins with the first `count` bytes, of which the last is a slash.
    private static func past(_ count: Int) -> KeyBound { KeyBound(0..<count - 1, tail: Int16(TopicText.slash) + 1) }

    /// `+` behind `fixed`: each level that stands there, in turn. `rest` is empty or begins with a slash.
    private func levels(_ fixed: [UInt8], _ rest: ByteView, _ report: (UInt32) -> Void) {
        let endsHere = rest.isEmpty || rest.count == 2 && rest.u8(1) == TopicText.hash
        var place = fixed.withView { order.place(of: KeyBound(name: $0), $0, run) }
        while let id = order[place] {
            var name: [UInt8] = run.with(id) { $0.array }
            guard name.starts(with: fixed) else { return }
            if fixed.isEmpty, name[0] == TopicText.dollar {
                place = fixed.withView { order.place(of: .pastDollar, $0, run) }
                continue
            }
            guard let slash = name[fixed.count...].firstIndex(of: TopicText.slash) else {
                // The name ends with this level.
                if endsHere { report(id) }
                place = order.after(place)
                continue
            }
            name.removeSubrange((slash + 1)...)
            let beneath = name
            if !rest.isEmpty {
                if endsHere {
                    beneath.withView { all(from: KeyBound(name: $0), to: Self.past($0.count), $0, report) }
                } else {
                    walk(beneath, rest.from(1), report)
                }
            }
            place = beneath.withView { order.place(of: Self.past($0.count), $0, run) }
        }
    }
}
