internal import Wire
