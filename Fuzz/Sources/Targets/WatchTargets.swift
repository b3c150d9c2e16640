internal import Topics
package import Wire

/// Filters and the records that they look into; patterns in an index.
package enum WatchTargets {
    package static let all: [(name: String, run: @Sendable (ByteView) -> Void)] = [
        ("filter", filter), ("watches", watches), ("schema", schema),
    ]

    /// A filter, a line feed, and a payload. What is taken must be taken again, answer the same, and say the opposite
    /// behind a `not`.
    package static func filter(_ view: ByteView) {
        let (text, payload) = cut(view)
        let compiled: Filter
        do throws(FilterError) { compiled = try Filter(text.text) } catch {
            precondition(error.column >= 1 && !error.description.isEmpty)
            return
        }
        var builder = BatchBuilder()
        // The payload is the key and the headers too, as far as they may be as long.
        let part = payload[0..<min(payload.count, Limits.key)]
        builder.append(topic: TopicID(0), time: 0, key: part, headers: part, payload: payload)
        let batch = builder.finish(publisher: PublisherID(1), epoch: 1, sequence: 1, group: GroupID(0))
        batch.withView { batch in
            let record = RecordView(batch.from(BatchHeader.size))
            let answer = compiled.admits(record, topic: part)
            precondition(answer == compiled.admits(record, topic: part), "a filter that answers two things")
            let opposite: Filter
            do throws(FilterError) { opposite = try Filter("not (\(compiled.text))") } catch {
                precondition(text.count + 6 > Limits.filter || error.description.contains("at most"), "a filter cannot be turned round")
                return
            }
            precondition(opposite.admits(record, topic: part) != answer, "a filter and its opposite agree")
        }
    }

    /// A schema in one line, a line feed, and a payload. What a schema takes is JSON, and JSON is what the schema of everything takes.
    package static func schema(_ view: ByteView) {
        let (text, payload) = cut(view)
        guard let rules = schema(text.text), let any = schema("{}") else { return }
        let flaw = rules.flaw(in: payload)
        precondition(flaw == rules.flaw(in: payload), "a schema that says two things")
        precondition(flaw != nil || any.flaw(in: payload) == nil, "a schema takes what is no JSON")
    }
    private static func schema(_ text: String) -> Schema? {
        do throws(ConfigurationError) {
            return try TopicsConfiguration.parse("defaults: {level: durable, schema: \(text)}\n", file: "t").defaults.schema
        } catch { return nil }
    }

    /// Lines: `+PATTERN` enters one, `!PATTERN` an exclusion, `-` takes the oldest out, anything else is a name, which must find
    /// what each pattern by itself says. A watcher for every three patterns.
    package static func watches(_ view: ByteView) {
        var index = WatchIndex()
        var there: [(pattern: TopicPattern, watcher: WatcherID, excludes: Bool, id: WatchID)] = []
        var matches = WatchMatches()
        var table = TopicTable()
        var rest = view
        var entered: UInt32 = 0
        while !rest.isEmpty {
            let (line, after) = cut(rest)
            rest = after
            guard !line.isEmpty else { continue }
            switch line.u8(0) {
            case UInt8(ascii: "+"), UInt8(ascii: "!"):
                do throws(TopicError) {
                    let pattern = try TopicPattern(line.from(1))
                    let excludes = line.u8(0) == UInt8(ascii: "!")
                    let watcher = WatcherID(entered / 3)
                    entered += 1
                    there.append((pattern, watcher, excludes, index.add(pattern, for: watcher, excludes: excludes)))
                } catch {}
            case UInt8(ascii: "-"): if !there.isEmpty { index.remove(there.removeFirst().id) }
            default:
                // Only names reach the index: what is none is refused where it comes in.
                guard isName(line) else { continue }
                index.match(line, into: &matches)
                let asked = Set(there.filter { !$0.excludes && $0.pattern.matches(line) }.map(\.watcher))
                let excluded = Set(there.filter { $0.excludes && $0.pattern.matches(line) }.map(\.watcher))
                precondition(matches.watchers == asked.subtracting(excluded).sorted(), "the index finds others than the patterns do")
                do throws(TopicError) { _ = try table.declare(line) } catch {}
            }
            index.checkInvariants()
        }
        table.checkInvariants()
        for one in there {
            var found: [TopicID] = []
            table.forEach(matching: one.pattern) { found.append($0) }
            var expected: [TopicID] = []
            table.forEach { id, name in if one.pattern.matches(name) { expected.append(id) } }
            precondition(found.sorted() == expected, "the order of names finds others than the pattern does")
        }
    }

    private static func isName(_ line: ByteView) -> Bool {
        do throws(TopicError) { _ = try TopicName(line) } catch { return false }
        return true
    }

    private static func cut(_ view: ByteView) -> (ByteView, ByteView) {
        var at = 0
        while at < view.count, view.u8(at) != 10 { at += 1 }
        return (view[0..<at], at < view.count ? view.from(at + 1) : .empty)
    }
}
