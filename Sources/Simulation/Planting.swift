internal import Wire

#if MUTANTS
    /// The faults that can be planted in this build.
    package var mutantNames: [String] { Mutant.allCases.map(\.rawValue) }
    /// Plants one for the rest of this process's life; false where there is none of that name.
    package func plant(_ name: String) -> Bool {
        unsafe plantedMutant = Mutant(rawValue: name)
        return unsafe plantedMutant != nil
    }
    /// Whether only worlds without peace show it.
    package func isUnlimited(mutant name: String) -> Bool { [.newDiskCounts, .newDiskCountsQuiet].contains(Mutant(rawValue: name)) }
    /// Whether it shows where topics move all the time, and hardly elsewhere.
    package func isMoving(mutant name: String) -> Bool { [.headsOfGaps, .welcomeKept].contains(Mutant(rawValue: name)) }
#else
    package var mutantNames: [String] { [] }
    package func plant(_ name: String) -> Bool { false }
    package func isUnlimited(mutant name: String) -> Bool { false }
    package func isMoving(mutant name: String) -> Bool { false }
#endif
