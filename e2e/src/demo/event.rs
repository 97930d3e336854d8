//! The event of a pod whose volume could not be mounted.

use tonic::Status;

use super::manifests::PodManifest;

/// The event, as `kubectl describe pod` shows it: the driver puts its words and the provider's code
/// before the provider's message, kubelet its own and the code once more.
pub(super) fn failed_mount(pod: &PodManifest, status: &Status) -> anyhow::Result<String> {
    let code = status.code();
    Ok(format!(
        "Warning  FailedMount  kubelet  MountVolume.SetUp failed for volume \"{}\" : rpc error: \
         code = {code:?} desc = failed to mount secrets store objects for pod {}, err: rpc error: \
         code = {code:?} desc = {}",
        pod.volume()?.name,
        pod.full_name(),
        status.message()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_volume_pod_code_and_message() {
        let pod = "
metadata: {name: web-0, namespace: shop}
spec:
  serviceAccountName: web
  volumes:
  - name: files
    csi: {driver: d, volumeAttributes: {secretProviderClass: c}}
";
        let pod: PodManifest = serde_yaml::from_str(pod).unwrap();
        assert_eq!(
            failed_mount(&pod, &Status::not_found("no such secret")).unwrap(),
            "Warning  FailedMount  kubelet  MountVolume.SetUp failed for volume \"files\" : rpc error: \
             code = NotFound desc = failed to mount secrets store objects for pod shop/web-0, err: \
             rpc error: code = NotFound desc = no such secret"
        );
    }
}
