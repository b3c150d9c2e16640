internal import Wire

#if MUTANTS
    /// The faults that can be planted in this build.
    package var mutantNames: [String] { Mutant.allCases.map(\.rawValue) }
    /// Plants one for the rest of this process's life; false where there is none of that name.
    package func plant(_ name: String) -> Bool {
        unsafe plantedMutant = Mutant(rawValue: name)
        return unsafe plantedMutant != nil
    }
    /// The kind of worlds that shows it, where others hardly do.
    package func kind(ofMutant name: String) -> Plan.Kind? {
        switch Mutant(rawValue: name) {
        case .newDiskCounts, .newDiskCountsQuiet: .unlimited
        case .headsOfGaps, .welcomeKept, .copyExactTooSoon: .moving
        case .beginningOutgrown: .crooked
        default: nil
        }
    }
#else
    package var mutantNames: [String] { [] }
    package func plant(_ name: String) -> Bool { false }
    package func kind(ofMutant name: String) -> Plan.Kind? { nil }
#endif
