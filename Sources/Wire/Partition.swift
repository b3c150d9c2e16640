/// A share of a group's topics: consumer groups hand topics out by partitions, 0 ..< `count`.
package enum Partition {
    /// Also the width of a `PartitionSet`.
    package static let count = 64

    /// The partition of a topic: always the same one, a hash of its id. Scrambled, not only multiplied: topics of one kind have ids of
    /// some regular spacing, and each factor has spacings that it maps to few partitions.
    package static func of(_ topic: TopicID) -> Int { Int(mix(UInt64(topic.raw) &+ 1) >> 58) }
}

/// A set of partitions.
package struct PartitionSet: Hashable, Sendable {
    package var bits: UInt64
    package init(bits: UInt64 = 0) { self.bits = bits }
    package static let all = PartitionSet(bits: .max)

    package func contains(_ partition: Int) -> Bool { bits >> UInt64(partition) & 1 == 1 }
    package mutating func insert(_ partition: Int) { bits |= 1 << UInt64(partition) }
    package mutating func remove(_ partition: Int) { bits &= ~(1 << UInt64(partition)) }
    package var count: Int { bits.nonzeroBitCount }
    package var isEmpty: Bool { bits == 0 }
    package func union(_ other: Self) -> Self { Self(bits: bits | other.bits) }
    package func intersection(_ other: Self) -> Self { Self(bits: bits & other.bits) }
    package func subtracting(_ other: Self) -> Self { Self(bits: bits & ~other.bits) }
}

extension PartitionSet: Sequence {
    /// The partitions, rising.
    package func makeIterator() -> Iterator { Iterator(bits: bits) }
    package struct Iterator: IteratorProtocol {
        var bits: UInt64
        package mutating func next() -> Int? {
            guard bits != 0 else { return nil }
            defer { bits &= bits &- 1 }
            return bits.trailingZeroBitCount
        }
    }
}

/// A place in some partitions: all of their records below `offset` are done with. 16 bytes: `| partitions u64 | offset u64 |`.
package struct PartitionPlace: Equatable, Sendable {
    package static let size = 16
    package var partitions: PartitionSet
    package var offset: Offset
    package init(_ partitions: PartitionSet, _ offset: Offset) {
        self.partitions = partitions
        self.offset = offset
    }

    /// The places of `partitions`, each as `place` tells it: one line for each different offset.
    package static func gather(_ partitions: PartitionSet, _ place: (Int) -> UInt64) -> [PartitionPlace] {
        var lines: [PartitionPlace] = []
        for partition in partitions {
            let offset = Offset(place(partition))
            if let known = lines.firstIndex(where: { $0.offset == offset }) {
                lines[known].partitions.insert(partition)
            } else {
                lines.append(PartitionPlace(PartitionSet(bits: 1 << UInt64(partition)), offset))
            }
        }
        return lines
    }

    /// `| count u32 | count × place |`.
    package static func encode(_ places: [PartitionPlace], into bytes: inout [UInt8]) {
        bytes.append(int: UInt32(places.count))
        for place in places {
            bytes.append(int: place.partitions.bits)
            bytes.append(int: place.offset.raw)
        }
    }
    package static func decode(_ decoder: inout Decoder) throws(DecodeError) -> [PartitionPlace] {
        var places: [PartitionPlace] = []
        for _ in 0..<(try decoder.count(limit: Partition.count, size: size)) {
            places.append(PartitionPlace(PartitionSet(bits: try decoder.int()), Offset(try decoder.int())))
        }
        return places
    }
}
