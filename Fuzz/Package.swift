// swift-tools-version: 6.2
import PackageDescription

/// Fuzzers of everything that reads bytes from outside. `scripts/fuzz` builds and runs them.
///
/// The folders under Sources that are symbolic links are the product's own sources, built here with libFuzzer's counters, so
/// that the main package knows nothing of fuzzing. `SQUALL_FUZZER` is the archive of libFuzzer without a main function.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .unsafeFlags(["-sanitize=fuzzer"]),
]

func target(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")

let package = Package(
    name: "Fuzz",
    products: [.executable(name: "fuzz", targets: ["fuzz"])],
    dependencies: [.package(url: "https://github.com/apple/swift-collections", from: "1.6.0")],
    targets: [
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1"),
        .target(name: "CSystem"),
        .target(name: "CFuzzer"),

        target("Wire", ["CSystem"]),
        target("Topics", ["Wire", "CYAML"]),
        target("Replication", ["Wire", deque]),
        target("Store", ["Wire"]),

        // Parts of the broker, Tooling, dpub and Transport that read, and a stand-in for the cryptography that Knock asks for.
        target("Broker", ["Wire", "Topics", "Replication", "Store"]),
        target("Tooling", ["Wire"]),
        target("Inputs", ["Wire", "Tooling"]),
        target("Crypto", []),
        target("Hello", ["Wire", "Crypto"]),

        target("Targets", ["Wire", "Topics", "Replication", "Broker"]),
        .executableTarget(
            name: "fuzz", dependencies: ["Targets", "Inputs", "Hello", "Wire", "CFuzzer"], swiftSettings: settings,
            linkerSettings: [
                .unsafeFlags([Context.environment["SQUALL_FUZZER"] ?? "libclang_rt.fuzzer_no_main-x86_64.a"]),
                .linkedLibrary("stdc++"),
            ]),
    ]
)
