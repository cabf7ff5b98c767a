/** A lab, or a lab with daemons in it, for the time of a measurement: taken down however that ends. */
import { Fleet } from '../../netlab/fleet.ts'
import { Lab } from '../../netlab/lab.ts'

export async function inLab<Result>(links: readonly string[], measure: (lab: Lab) => Promise<Result>): Promise<Result> {
  const lab = await Lab.up(links)
  try {
    return await measure(lab)
  } finally {
    await lab.down()
  }
}

/** All nodes have been started and answer; their links may not be up yet. `siteOf` as for `Fleet`. */
export function inFleet<Result>(
  links: readonly string[],
  measure: (lab: Lab, fleet: Fleet) => Promise<Result>,
  siteOf?: (host: string) => string,
): Promise<Result> {
  return inLab(links, async (lab) => {
    const fleet = new Fleet(lab, siteOf)
    try {
      await fleet.start()
      return await measure(lab, fleet)
    } finally {
      await fleet.close()
    }
  })
}
