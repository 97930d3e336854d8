//! Whether the CSI driver does what pods need.

use super::finding::Finding;
use super::reason::Reason;
use crate::observed::Driver;

/// Name of the driver's CSIDriver object.
const NAME: &str = "secrets-store.csi.k8s.io";

/// `audience` is that of the workload's token. Without its kinds a driver counts as absent.
pub fn finding(driver: Option<&Driver>, audience: &str) -> Finding {
    let Some(driver) = driver else {
        return Finding::no(
            Reason::DriverMissing,
            format!(
                "the cluster has no CSIDriver {NAME}: install the Secrets Store CSI driver: helm install \
                 csi-secrets-store secrets-store-csi-driver/secrets-store-csi-driver -n kube-system, or for \
                 AKS the add-on azure-keyvault-secrets-provider"
            ),
        );
    };
    if !driver.audiences.iter().any(|has| has == audience) {
        let request = serde_json::json!({"audience": audience});
        let patch = if driver.audiences.is_empty() {
            format!(
                "--type merge -p '{}'",
                serde_json::json!({"spec": {"tokenRequests": [request]}})
            )
        } else {
            // A merge would replace the list.
            let add = serde_json::json!([
                {"op": "add", "path": "/spec/tokenRequests/-", "value": request}
            ]);
            format!("--type json -p '{add}'")
        };
        return Finding::no(
            Reason::AudienceMissing,
            format!(
                "the CSI driver does not ask for tokens of {audience}: kubectl patch csidriver {NAME} \
                 {patch}, or helm upgrade of the driver with --set tokenRequests[{}].audience={audience}",
                driver.audiences.len(),
            ),
        );
    }
    if !driver.requires_republish {
        return Finding::yes(
            Reason::RepublishOff,
            format!(
                "warning: kubelet does not ask again for mounted volumes. A driver up to 1.5.6 rotates by \
                 itself if its rotation is on (--enable-secret-rotation); one from 1.6.0 on does not rotate \
                 until: kubectl patch csidriver {NAME} --type merge -p \
                 '{{\"spec\":{{\"requiresRepublish\":true}}}}'"
            ),
        );
    }
    Finding::yes(
        Reason::Configured,
        "the CSI driver is there and asks for the token that is needed",
    )
}
