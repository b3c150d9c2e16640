import Testing
import Wire

@testable import Storage

@Suite struct VolatileDiskTests {
    /// The same done to a file and to an array of bytes, with parts that are kept and such that are copied.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func aFileIsWhatWasWrittenWhateverLiesWhere(_ seed: UInt64) throws {
        let disk = VolatileDisk()
        let file = try disk.open("file", create: true)
        var random = Seeded(seed)
        var model: [UInt8] = []
        var lent: [(owner: OwnedBytes, bytes: [UInt8])] = []
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) } }
        for _ in 0..<60 {
            switch random.below(6) {
            case 0, 1:
                let parts = (0..<1 + random.below(3)).map { _ in OwnedBytes(bytes(random.chance(40) ? VolatileDisk.piece + random.below(9000) : random.below(9000))) }
                let owners = parts.map { random.chance(70) ? $0 : nil }
                let zeros = [UInt8](repeating: 0, count: random.below(100))
                try zeros.withView { zeros throws(StorageError) in
                    try disk.append(file, at: model.count, parts: parts.map(\.view), owners: owners, zeros: zeros, space: 0)
                }
                for (part, owner) in zip(parts, owners) {
                    model += part.view.array
                    if owner != nil { lent.append((part, part.view.array)) }
                }
                model += zeros
            case 2:
                let (at, part) = (random.below(model.count + 2000), bytes(random.below(100_000)))
                try disk.write(file, at: at, bytes: part)
                if at > model.count { model += [UInt8](repeating: 0, count: at - model.count) }
                model.replaceSubrange(at..<min(model.count, at + part.count), with: part)
            case 3:
                let size = random.below(model.count + 3000)
                try disk.truncate(file, to: size)
                model = Array(model.prefix(size)) + [UInt8](repeating: 0, count: max(0, size - model.count))
            case 4:
                let size = random.below(model.count + 70_000)
                #expect(try disk.allocate(file, bytes: size))
                model += [UInt8](repeating: 0, count: max(0, size - model.count))
            default:
                let (at, count) = (random.below(model.count + 10), random.below(200_000))
                var got: [UInt8] = [7]
                let read = try disk.read(file, at: at, count: count, into: &got)
                #expect(got.dropFirst().elementsEqual(model.dropFirst(at).prefix(count)) && read == got.count - 1)
            }
            #expect(try disk.size(file) == model.count)
        }
        var all: [UInt8] = []
        _ = try disk.read(file, at: 0, count: .max / 2, into: &all)
        #expect(all == model)
        #expect(lent.allSatisfy { $0.owner.view.array == $0.bytes }, "memory that is lent was written to")
    }

    @Test func aLargePartIsKeptWhereItLiesAndLetGoWithItsFile() throws {
        let disk = VolatileDisk()
        let file = try disk.open("file", create: true)
        weak var large: OwnedBytes?
        weak var small: OwnedBytes?
        weak var partly: OwnedBytes?
        do {
            let (a, b) = (OwnedBytes([UInt8](repeating: 1, count: VolatileDisk.piece)), OwnedBytes([UInt8](repeating: 2, count: VolatileDisk.piece - 1)))
            let c = OwnedBytes([UInt8](repeating: 3, count: 2 * VolatileDisk.piece + 2))
            (large, small, partly) = (a, b, c)
            try disk.append(file, at: 0, parts: [a.view, b.view, c.view[0..<VolatileDisk.piece]], owners: [a, b, c], zeros: .empty, space: 0)
        }
        #expect(large != nil && small == nil && partly == nil, "large parts are kept, small ones copied, and such as would hold much else")
        try disk.rename("file", to: "other")
        #expect(large != nil)
        try disk.remove("other")
        #expect(large == nil)
    }
}
