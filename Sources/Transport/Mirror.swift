
extension Transport {
    /// The peer's data ring as mirrored here, to be written with what others have passed on of it; empty for a client link. Valid as
    /// `data(of:)`.
    package func mirror(of link: LinkID) -> UnsafeMutableRawBufferPointer {
        guard let i = place(link, orDown: true), links[i].mirror.count > 8 else { return unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0) }
        let mirror = links[i].mirror
        return unsafe mirror.buffer(0, mirror.count)
    }
}
