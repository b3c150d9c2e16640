// swift-tools-version: 6.2
import PackageDescription

/// Real faults against real processes. `scripts/faults` builds and runs it; the main package knows nothing of it.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "Faults",
    products: [.executable(name: "faults", targets: ["faults"])],
    targets: [
        // Calls that Glibc's module leaves out or that must stand between fork and exec.
        .target(name: "CFaults"),
        .executableTarget(name: "faults", dependencies: ["CFaults"], swiftSettings: settings),
    ]
)
