/**
 * Words of the wire: ids, frames, control messages, credentials, limits, errors, and the Machine contract which all
 * protocol logic follows. Nothing here does I/O.
 *
 * @example
 * const frame = new Uint8Array(frameHeaderBytes(1) + body.length)
 * writeFrameHeader(frame, { source: nodeId('hkg-1-a'), route: [nodeId('core-1')] })
 */
export * from './advert.ts'
export * from './api.ts'
export * from './channel-api.ts'
export * from './codec.ts'
export * from './credential.ts'
export * from './crypto.ts'
export * from './deadlines.ts'
export * from './document-view.ts'
export * from './driver.ts'
export * from './errors.ts'
export * from './forward-views.ts'
export * from './frame.ts'
export * from './instant.ts'
export * from './leb128.ts'
export * from './limits.ts'
export * from './link-metrics.ts'
export * from './machine.ts'
export * from './message.ts'
export * from './node-id.ts'
export * from './probe-packet.ts'
export * from './random.ts'
export * from './replay-window.ts'
export * from './revocation.ts'
export * from './route-views.ts'
export * from './strict-write.ts'
export * from './task-api.ts'
export * from './task.ts'
export * from './task-message.ts'
export * from './task-record.ts'
export * from './testimony.ts'
export * from './vital-schema.ts'
export * from './vital-views.ts'
