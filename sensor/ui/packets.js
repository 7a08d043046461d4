// The packets of a flow or an alert as a file, where the sensor keeps evidence.
import { Refused } from "./api.js";
import { button, el } from "./dom.js";
import { complain, toast } from "./toast.js";

/** A button that fetches the packets of `id` and hands them to the browser as a capture file. */
export const packets = (id) => button("Packets", async () => {
  try {
    const answer = await fetch(`/api/v1/evidence/${encodeURIComponent(id)}`, { credentials: "same-origin", cache: "no-store" });
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({}));
      throw new Refused(answer.status, problem.detail ?? `status ${answer.status}`);
    }
    const address = URL.createObjectURL(await answer.blob());
    const file = el("a", { href: address, download: `${id}.pcap` });
    file.click();
    URL.revokeObjectURL(address);
    const cut = answer.headers.get("X-Cut") === "true" ? "; there are more than fit" : "";
    toast(`${answer.headers.get("X-Packets")} packets${cut}`);
  } catch (error) {
    complain(error);
  }
});
