import Foundation
import Testing
import Wire

/// What fuzzing has found worth keeping, run through the decoders once more: a trap here is a fault that has come back.
@Suite struct CorpusTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Corpus")

    @Test(arguments: WireTargets.all.map(\.name)) func everySavedInputIsTakenOrRefused(_ name: String) throws {
        let target = try #require(WireTargets.all.first { $0.name == name })
        let place = Self.folder.appendingPathComponent(name)
        let files = try FileManager.default.contentsOfDirectory(at: place, includingPropertiesForKeys: nil)
        try #require(!files.isEmpty, "scripts/fuzz \(name) makes a corpus")
        #expect(files.count <= 100)
        for file in files.sorted(by: { $0.path < $1.path }) { [UInt8](try Data(contentsOf: file)).withView { target.run($0) } }
    }
    /// The decoders take what is sound: a target that refuses everything would prove nothing.
    @Test func theTargetsTakeSoundInput() {
        sampleBatch(["a"]).withView { WireTargets.batch($0) }
        sampleEntry([sampleBatch(["a"])], records: 1).withView { WireTargets.entry($0) }
    }
}
