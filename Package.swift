// swift-tools-version: 6.2
import PackageDescription

/// One array for every target: Swift 6 mode, strict memory safety, no warnings. Each object that is worked on often belongs to one thread, and
/// looking at each access whether another one overlaps it took a fifth of a node's time outside the kernel: builds for debugging look.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

func pure(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// What a node and its disk have inside. Whoever uses them has their layout compiled in, private parts too, and is built again only when a
/// module changes that it lists: with one left out here, a build over an older one may crash.
let inside: [Target.Dependency] = ["Wire", "Topics", "Folding", "Replication", "Membership", "Storage", "Store", "Broker"]

let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")

let package = Package(
    name: "Squall",
    products: [
        .executable(name: "dbroker", targets: ["dbroker"]),
        .executable(name: "dpub", targets: ["dpub"]),
        .executable(name: "dsub", targets: ["dsub"]),
        .executable(name: "dbench", targets: ["dbench"]),
        .library(name: "Client", targets: ["Client"]),
    ],
    dependencies: [
        // Command lines: flags, help, completions.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // Deques: frames held, entries not yet delivered; heaps: deadlines by time.
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        // HMAC-SHA256 and random bytes for the authenticated hello; SHA-256 and Ed25519 for the signed history.
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    ],
    targets: [
        // The C boundary: libfabric (with libibverbs and librdmacm behind it) and libyaml.
        .systemLibrary(name: "CFabric", pkgConfig: "libfabric", providers: [.apt(["libfabric-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        // CRC32C by the processor's own instruction, and Linux calls that Glibc's module leaves out.
        .target(name: "CSystem"),

        // Pure: decisions only.
        pure("Wire", ["CSystem"]),
        pure("Topics", ["Wire", "CYAML"]),
        // Many topics into few groups.
        pure("Folding", ["Wire"]),
        pure("Replication", ["Wire", deque]),
        pure("Membership", ["Wire"]),
        pure("Storage", ["Wire", "CSystem", .product(name: "Crypto", package: "swift-crypto")]),
        // The versions of topics: the last of each, and those of a stretch of the log.
        pure("Store", ["Wire"]),
        pure("Broker", ["Wire", "Topics", "Folding", "Replication", "Membership", "Store", deque, heap]),

        // A node's disk: the broker's jobs on the storage.
        pure("Journal", inside),

        // The broker's core in a simulated world: virtual time, faults, checkers.
        pure("Simulation", inside + ["Journal", deque]),
        .executableTarget(name: "simulate", dependencies: inside + ["Journal", "Simulation", arguments], swiftSettings: settings),

        // Effects at the edge.
        pure("Transport", ["Wire", "CFabric", "CSystem", .product(name: "Crypto", package: "swift-crypto")]),
        pure("Client", ["Wire", "Transport"]),
        // What the command-line tools share: broker lists, secrets, signals, times, numbers, exit statuses.
        pure("Tooling", ["Client", "Transport", "Wire", "CSystem", arguments]),
        .executableTarget(
            name: "dbroker",
            dependencies: inside + ["Journal", "Transport", "Client", "Tooling", "CSystem", arguments],
            swiftSettings: settings),
        .executableTarget(name: "dpub", dependencies: ["Client", "Transport", "Wire", "CSystem", "Tooling", arguments], swiftSettings: settings),
        .executableTarget(name: "dsub", dependencies: ["Client", "Transport", "Wire", "CSystem", "Tooling", arguments], swiftSettings: settings),

        // The benchmarks' load: a publisher and a subscriber that only measure.
        .executableTarget(
            name: "dbench", dependencies: ["Client", "Transport", "Wire", "CSystem", "Tooling", arguments], swiftSettings: settings),

        // What tests measure by.
        .target(name: "TestClock", path: "Tests/TestClock", swiftSettings: settings),
        .testTarget(name: "WireTests", dependencies: ["Wire", "CSystem"], swiftSettings: settings),
        .testTarget(name: "ReplicationTests", dependencies: ["Replication", "Wire"], swiftSettings: settings),
        .testTarget(name: "MembershipTests", dependencies: ["Membership", "Wire"], swiftSettings: settings),
        .testTarget(name: "TopicsTests", dependencies: ["Topics", "Wire", "TestClock"], swiftSettings: settings),
        .testTarget(name: "FoldingTests", dependencies: inside + ["TestClock"], swiftSettings: settings),
        .testTarget(name: "StorageTests", dependencies: ["Storage", "Wire", "CSystem", "TestClock", .product(name: "Crypto", package: "swift-crypto")], swiftSettings: settings),
        .testTarget(name: "StoreTests", dependencies: inside + ["Journal", "TestClock"], swiftSettings: settings),
        .testTarget(name: "SimulationTests", dependencies: inside + ["Journal", "Simulation"], swiftSettings: settings),
        .testTarget(name: "TransportTests", dependencies: ["Transport", "Wire", "CSystem", "TestClock"], swiftSettings: settings),
        // Real processes: brokers, publishers, subscribers, killed and started again.
        .testTarget(name: "ClusterTests", swiftSettings: settings),
        .testTarget(name: "ToolTests", dependencies: inside + ["Journal", "dbroker", "dpub", "dsub", "Tooling", "Client", "Transport"], swiftSettings: settings),
    ]
)
