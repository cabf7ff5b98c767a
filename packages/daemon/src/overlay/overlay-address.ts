/**
 * Where a node is in the overlay: its name, and nothing else. `/causeway/nrt-2-a`, or with the peer id that must be found
 * there `/causeway/nrt-2-a/p2p/12D3…`. Paths, relays and addresses of machines are the mesh's business.
 *
 * The name gets a protocol of its own in multiaddr's registry, since every protocol in the table means something else:
 * `/dns/…` would be resolved, `/unix/…` and `/memory/…` belong to other transports, which would dial them. Its code is of
 * the range that the multicodec table leaves for private use (0x300000 to 0x3fffff). So it is known where this
 * package is loaded; other libp2p nodes cannot read such an address, and could not use it either.
 */
import { CausewayError, NAME_PATTERN } from '@causeway/protocol'
import { CODE_P2P, type Multiaddr, type ProtocolCodec, V, multiaddr, registry } from '@multiformats/multiaddr'

const CODEC: ProtocolCodec = {
  code: 0x30_ca_00,
  name: 'causeway',
  size: V,
  validate: (value) => {
    if (!NAME_PATTERN.test(value))
      throw new CausewayError('usage', `"${value}" is not the name of a node`, 'use lower case, digits and dashes')
  },
}

register()

/** The address of a node; `peerId` is what it must prove to be. */
export function overlayAddress(node: string, peerId?: { toString(): string }): Multiaddr {
  return multiaddr(`/${CODEC.name}/${node}${peerId === undefined ? '' : `/p2p/${peerId.toString()}`}`)
}

/** The node that an address names, if it is one of ours and nothing more. */
export function nodeOf(address: Multiaddr): string | undefined {
  const [node, peerId, ...more] = address.getComponents()
  if (node?.code !== CODEC.code || more.length > 0) return undefined
  return peerId === undefined || peerId.code === CODE_P2P ? node.value : undefined
}

function register(): void {
  for (const key of [CODEC.code, CODEC.name]) {
    const other = known(key)
    if (other && (other.code !== CODEC.code || other.name !== CODEC.name)) {
      throw new CausewayError(
        'conflict',
        `the multiaddr protocol ${CODEC.name} (${CODEC.code}) is registered already as ${other.name} (${other.code})`,
        'let the other package choose another',
      )
    }
  }
  registry.addProtocol(CODEC)
}

function known(key: string | number): ProtocolCodec | undefined {
  try {
    return registry.getProtocol(key)
  } catch {
    return undefined
  }
}
