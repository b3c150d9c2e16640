import Storage
import Tooling
import Wire

/// What `log verify` found, for people and for programs.
enum LogText {
    static func lines(_ folder: String, _ report: AuditReport, _ keys: [NodeID: PublicKey]) -> String {
        var lines = [
            "\(folder): \(report.segments) segments, \(report.bytes) bytes, entries \(report.first.raw)..<\(report.end.number.raw), "
                + "\(report.end.offset.raw) offsets, \(report.checkpoints) states, \(report.isClosed ? "closed well" : "not closed by a node that ended well")"
        ]
        if let by = report.signatures {
            let trust = keys[by.node] == by.key ? "as given" : "the folder's own word: compare it"
            lines.append("signed by node \(by.node.raw) of cluster \(by.cluster), entries 0..<\(by.end.raw), \(by.count) signatures, key \(by.key) (\(trust))")
        } else { lines.append("not signed") }
        for finding in report.findings { lines.append("\(finding.isProblem ? "problem" : "note   ")  \(finding)") }
        lines.append(report.problems == 0 ? "as it was written" : report.problems == 1 ? "1 problem" : "\(report.problems) problems")
        return lines.joined(separator: "\n")
    }

    static func json(_ folder: String, _ report: AuditReport) -> String {
        let findings = report.findings.map { finding in
            "{\"problem\":\(finding.isProblem),\"file\":\(quoted(finding.file)),\"offset\":\(finding.offset.map(String.init) ?? "null"),"
                + "\"from\":\(finding.entries.lowerBound.raw),\"to\":\(finding.entries.upperBound.raw),\"what\":\(quoted(finding.what))}"
        }
        let by = report.signatures.map { by in
            "{\"node\":\(by.node.raw),\"cluster\":\(quoted(by.cluster)),\"key\":\"\(by.key)\",\"signatures\":\(by.count),\"end\":\(by.end.raw)}"
        }
        return "{\"data\":\(quoted(folder)),\"ok\":\(report.problems == 0),\"segments\":\(report.segments),\"bytes\":\(report.bytes),"
            + "\"first\":\(report.first.raw),\"end\":\(report.end.number.raw),\"offsets\":\(report.end.offset.raw),\"states\":\(report.checkpoints),"
            + "\"closed\":\(report.isClosed),\"signed\":\(by ?? "null"),\"findings\":[\(findings.joined(separator: ","))]}"
    }
    private static func quoted(_ text: String) -> String {
        var buffer = ByteBuffer(capacity: text.utf8.count + 16)
        JSONText.append(text: text, to: &buffer)
        return buffer.view.text
    }
}
