/// A value in memory of its own, which its one owner reaches without the checks of access that a class's stored property costs each time:
/// for what every record touches. The owner does not reach it again from within an access.
@usableFromInline @frozen @safe package struct Cell<Value>: ~Copyable {
    @usableFromInline let place: UnsafeMutablePointer<Value>

    @inlinable package init(_ value: consuming Value) {
        unsafe place = .allocate(capacity: 1)
        unsafe place.initialize(to: value)
    }
    @inlinable deinit {
        unsafe place.deinitialize(count: 1)
        unsafe place.deallocate()
    }
    /// Lifetime: the memory is this cell's, from init to deinit.
    @inlinable package var value: Value {
        _read { yield unsafe place.pointee }
        nonmutating _modify { yield unsafe &place.pointee }
    }
}
