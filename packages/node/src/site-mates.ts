/** The other nodes of one's own site, as the links tell. */
import type { Mesh } from '@causeway/mesh'

export function matesOf(mesh: Mesh, site: string): string[] {
  return mesh
    .liveLinks('edge')
    .map(({ peer }) => peer.credential)
    .filter((credential) => credential.site === site)
    .map(({ name }) => name)
}
